"""The device, or the simulator in its place: compilers, driver, memory, copies, launches.

``toolchain`` imports the compilers, ``compiler`` declares kernels and compiles them, ``driver`` has the functions of
NVIDIA's driver, ``device`` the GPU and ``memory`` its pool; ``simulator`` and ``simulated_device`` take their place
in tests. ``launch`` is what the other folders use of them.
"""
