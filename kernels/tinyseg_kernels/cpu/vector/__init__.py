"""Building blocks of inner loops: vectors, mathematical functions of numbers, transposition, the micro-kernel."""
