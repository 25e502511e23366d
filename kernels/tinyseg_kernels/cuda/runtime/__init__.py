"""The device, or the simulator in its place: compilers, driver, memory, copies, launches.

``toolchain`` imports the compilers, ``compiler`` declares kernels and compiles them, ``driver`` has NVIDIA's driver.
``device`` is the GPU and ``memory`` its pool; ``simulator`` and ``simulated_device`` take their place in tests.
``launch`` is what all other folders use of it.
"""
