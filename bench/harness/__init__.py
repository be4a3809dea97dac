"""Runs every system beside the others, and tells what came out."""
