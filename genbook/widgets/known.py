"""The widgets that `hydrate.js` can bring to life on the static page.

The book's build reads this list, and fails at a widget that is not in it: better the
author meets the gap than the reader. A test holds it equal to the table in the script.
"""

HYDRATED = frozenset(
    {
        "AnyModel",  # every canvas of the book
        "IntSliderModel",
        "FloatSliderModel",
        "SelectionSliderModel",
        "DropdownModel",
        "ToggleButtonsModel",
        "CheckboxModel",
        "PlayModel",
        "BoxModel",
        "HBoxModel",
        "VBoxModel",
        "HTMLModel",
        "LabelModel",
        "LinkModel",
        "DirectionalLinkModel",
        # What the above refer to: sizes are honoured, the rest is the page's own style.
        "LayoutModel",
        "SliderStyleModel",
        "DescriptionStyleModel",
        "ToggleButtonsStyleModel",
        "CheckboxStyleModel",
        "HTMLStyleModel",
        "LabelStyleModel",
    }
)
