"""What runs above system calls and sees nothing else of the kernel: allocators and the dynamic linker."""
