"""Each public name of Pixeltable is served, or the page says why not."""

import pytest

pytestmark = pytest.mark.usefixtures("store")  # Pixeltable is imported: its home must be known

CORE = """
create_table get_table drop_table move list_tables list_dirs ls get_dir_contents create_dir drop_dir create_view create_snapshot
Table.get_metadata Table.describe Table.columns Table.list_views Table.get_base_table Table.insert Table.update Table.batch_update
Table.delete Table.revert Table.get_versions Table.history Table.add_column Table.add_columns Table.drop_column Table.rename_column
Table.alter_column Table.add_embedding_index Table.drop_embedding_index Table.add_btree_index Table.drop_index
Query.select Query.where Query.order_by Query.limit Query.group_by Query.distinct Query.join Query.collect Query.cursor Query.count
Query.head Query.tail Query.show Query.update Query.delete
""".split()


def test_every_name_is_known_and_no_other():
    from pxt_flight.engine.seam.surface import public_names
    from pxt_flight.reference import coverage

    tables = (coverage.OPERATIONS, coverage.SQL, coverage.CLIENT, coverage.NOT_SERVED)
    known = [name for table in tables for name in table]
    assert len(known) == len(set(known)), "a name has one fate"
    assert set(known) == {*public_names(), *coverage.BEYOND}


def test_a_new_name_is_noticed():
    from pxt_flight.reference import coverage

    with pytest.raises(KeyError, match="teleport"):
        coverage.rows(["Table.teleport"], [])


def test_what_is_core_is_served():
    from pxt_flight.engine.seam.surface import public_names
    from pxt_flight.reference import coverage
    from pxt_flight.reference.projections import product_operations

    served = {row.name for row in coverage.rows(public_names(), product_operations()) if row.served}
    assert set(CORE) <= served


def test_the_operations_exist():
    from pxt_flight.reference import coverage
    from pxt_flight.reference.projections import product_operations

    assert set(coverage.OPERATIONS.values()) <= {operation.name for operation in product_operations()}


def test_every_reason_is_a_sentence():
    from pxt_flight.reference import coverage

    assert all(reason.endswith(".") for reason in coverage.NOT_SERVED.values())
