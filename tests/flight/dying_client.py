"""A client that puts some batches of an endless insert, says so, and waits to be killed: `dying_client.py URI KEY TABLE BATCHES`."""

import json
import sys

import pyarrow as pa
import pyarrow.flight as fl

uri, key, table, batches = sys.argv[1:]
options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {key}".encode())])
# Without "ends": what tells the server that this is not the end is gRPC's word alone.
command = json.dumps({"table.insert": {"table_path": table, "idempotency_key": "dying"}}).encode()
schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
writer, _ = fl.connect(uri).do_put(fl.FlightDescriptor.for_command(command), schema, options)
for number in range(int(batches)):
    ids = range(1000 + number * 1000, 2000 + number * 1000)
    writer.write_batch(pa.record_batch({"id": list(ids), "text": ["x" * 100] * 1000}, schema))
sys.stdout.write("sent\n")
sys.stdout.flush()
sys.stdin.read()
