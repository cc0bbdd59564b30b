"""What nbval compares: text, not pictures. It knows PNG and JPEG; plotly is one too."""


def pytest_collectstart(collector):
    """Tell nbval's collector of a notebook that a plotly figure is a picture."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("application/vnd.plotly.v1+json",)
