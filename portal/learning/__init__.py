"""Learning: the steps of a course, and the quiz."""
