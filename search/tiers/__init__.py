"""The published experiments in their four tiers: what was published, what was run here, and the page about both."""
