import dlt


@dlt.source(name="files")
def files(only=None):
    return []
