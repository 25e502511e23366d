"""What runs kernels: the compiler and its cache, memory, threads, and what is known of the CPU."""
