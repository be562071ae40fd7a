"""The page's own words, a module a language: to add one, add a module with the same names.

`PAGE` are texts of the template, with markup; `TOLD` and `SCRIPT` are texts without, of what is
told of the results and of the page's script. ``{name}`` stands for a value. `PLURALS` gives the
forms of a noun, as `description.language` counts them. `NAMES` are words that the results
hold, such as kinds of outliers; `PHRASES` are patterns of the reasons and warnings of a choice,
and what each is in the language, in the order in which they are put in.
"""
