"""Parts of the integer simulator: the compiled circuit's graph, and what each of its operators computes."""
