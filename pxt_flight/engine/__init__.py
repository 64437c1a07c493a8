"""All that speaks to Pixeltable; the only package that imports it."""
