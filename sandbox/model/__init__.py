"""The world that the sandbox's Amazon keeps, and what each operation does to it."""
