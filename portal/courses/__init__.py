"""Courses: content parsed, published and kept byte for byte."""
