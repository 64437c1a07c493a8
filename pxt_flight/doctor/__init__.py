"""`pxt-flight doctor`: looks at everything that must be right, says what is not, and changes nothing."""
