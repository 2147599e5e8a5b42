"""Operators of ezkl 23.0.5 in the order and with the fields in which its compiled circuits store them.

ezkl derives this layout from its Rust enums ``PolyOp``, ``LookupOp`` and ``HybridOp``, so a variant's number is its
place here. Fields: u32, i32, u64, f32, f64, bool, text, u64s (sequence), pairs (sequence of two u64), scale? (optional
i32), indices? (optional tensor of u64), data and kernel (axis orders).
"""

from __future__ import annotations

Fields = tuple[tuple[str, str], ...]
Variants = tuple[tuple[str, Fields], ...]

_SCALE: Fields = (("scale", "f32"),)
_SCALES: Fields = (("input_scale", "f32"), ("output_scale", "f32"), ("epsilon", "f64"))
_ROUNDING: Fields = (("scale", "f32"), ("legs", "u64"))
_AXES: Fields = (("axes", "u64s"),)
_DIM: Fields = (("dim", "u64"),)

LINEAR: Variants = (
    ("Abs", ()),
    ("Sign", ()),
    ("LeakyReLU", (("slope", "f32"), ("scale", "i32"))),
    ("GatherElements", (("dim", "u64"), ("indices", "indices?"))),
    ("GatherND", (("batch_dims", "u64"), ("indices", "indices?"))),
    ("ScatterElements", (("dim", "u64"), ("indices", "indices?"))),
    ("ScatterND", (("indices", "indices?"),)),
    ("MultiBroadcastTo", (("shape", "u64s"),)),
    ("Einsum", (("equation", "text"),)),
    (
        "Conv",
        (
            ("padding", "pairs"),
            ("stride", "u64s"),
            ("group", "u64"),
            ("data_format", "data"),
            ("kernel_format", "kernel"),
        ),
    ),
    ("Downsample", (("axis", "u64"), ("stride", "u64"), ("modulo", "u64"))),
    (
        "DeConv",
        (
            ("padding", "pairs"),
            ("output_padding", "u64s"),
            ("stride", "u64s"),
            ("group", "u64"),
            ("data_format", "data"),
            ("kernel_format", "kernel"),
        ),
    ),
    ("Add", ()),
    ("Sub", ()),
    ("Neg", ()),
    ("Mult", ()),
    ("Identity", (("out_scale", "scale?"),)),
    ("Reshape", (("shape", "u64s"),)),
    ("MoveAxis", (("source", "u64"), ("destination", "u64"))),
    ("Flatten", (("shape", "u64s"),)),
    ("Pad", (("padding", "pairs"),)),
    ("Sum", _AXES),
    ("MeanOfSquares", _AXES),
    ("Prod", (("axes", "u64s"), ("len_prod", "u64"))),
    ("Pow", (("exponent", "u32"),)),
    ("Concat", (("axis", "u64"),)),
    ("Slice", (("axis", "u64"), ("start", "u64"), ("end", "u64"))),
    ("Iff", ()),
    ("Resize", (("scale_factor", "u64s"),)),
    ("Not", ()),
    ("And", ()),
    ("Or", ()),
    ("Xor", ()),
    ("Trilu", (("upper", "bool"), ("k", "i32"))),
)

NONLINEAR: Variants = (
    ("Div", (("denom", "f32"),)),
    ("IsOdd", ()),
    ("PowersOfTwo", _SCALE),
    ("Ln", _SCALE),
    ("Sigmoid", _SCALE),
    ("Exp", (("scale", "f32"), ("base", "f32"))),
    ("Cos", _SCALE),
    ("ACos", _SCALE),
    ("Cosh", _SCALE),
    ("ACosh", _SCALE),
    ("Sin", _SCALE),
    ("ASin", _SCALE),
    ("Sinh", _SCALE),
    ("ASinh", _SCALE),
    ("Tan", _SCALE),
    ("ATan", _SCALE),
    ("Tanh", _SCALE),
    ("ATanh", _SCALE),
    ("Erf", _SCALE),
    ("Pow", (("scale", "f32"), ("exponent", "f32"))),
    ("HardSwish", _SCALE),
)

_POOL: Fields = (("padding", "pairs"), ("stride", "u64s"), ("kernel", "u64s"))

HYBRID: Variants = (
    ("Ln", _SCALE),
    ("Rsqrt", _SCALES),
    ("Sqrt", _SCALE),
    ("RoundHalfToEven", _ROUNDING),
    ("Ceil", _ROUNDING),
    ("Floor", _ROUNDING),
    ("Round", _ROUNDING),
    ("Recip", _SCALES),
    ("Div", (("denom", "f32"),)),
    ("ReduceMax", _AXES),
    ("ReduceArgMax", _DIM),
    ("SumPool", (*_POOL, ("normalized", "bool"), ("data_format", "data"))),
    ("MaxPool", (*_POOL, ("data_format", "data"))),
    ("ReduceMin", _AXES),
    ("ReduceArgMin", _DIM),
    ("Max", ()),
    ("Min", ()),
    (
        "Softmax",
        (("input_scale", "f32"), ("output_scale", "f32"), ("axes", "u64s"), ("epsilon", "f64")),
    ),
    ("Output", (("decomp", "bool"),)),
    ("Greater", ()),
    ("GreaterEqual", ()),
    ("Less", ()),
    ("LessEqual", ()),
    ("Equals", ()),
    ("Gather", (("dim", "u64"), ("indices", "indices?"))),
    ("TopK", (("dim", "u64"), ("k", "u64"), ("largest", "bool"))),
    ("OneHot", (("dim", "u64"), ("num_classes", "u64"))),
)

DATA_FORMATS = ("NCHW", "NHWC", "CHW", "HWC")
KERNEL_FORMATS = ("HWIO", "OIHW", "OHWI")
