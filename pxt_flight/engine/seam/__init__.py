"""The one place that names Pixeltable's private parts.

`plan` turns a public `Query` into the statement that Pixeltable itself would send, `probe` proves at start that the parts it relies on are
where they were. Nothing else of the project touches a name that Pixeltable does not document. What a release moves makes the probe fail,
and the engine then reads through `Query.cursor()`: slower, never wrong.
"""
