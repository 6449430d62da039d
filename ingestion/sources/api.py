import dlt


@dlt.source(name="api")
def api(only=None):
    return []
