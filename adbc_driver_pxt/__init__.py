"""The ADBC driver of pxt-flight by the name that polars makes of `pxt://`.

    pl.read_database_uri("select title from photos", os.environ["PHOTOS_URI"], engine="adbc")  # pxt://KEY@host:8815

Neither this driver nor polars shows the address in an error; a traceback shows the line of source that called, so keep it in a variable.
"""
