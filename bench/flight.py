"""Arrow Flight, to compare with: the bytes of one float32 column, stored in memory, by DoGet in batches of 1 MiB.

    flight.py serve            says "serving ADDRESS" once it does
    flight.py read ADDRESS     reads so many bytes for each line of its input, and answers with seconds

Needs pyarrow (PyPI), whose client and server are C++; what arrives is not copied.
"""

import sys
import time

import pyarrow
import pyarrow.flight

CHUNK_BYTES = 2**20


class Server(pyarrow.flight.FlightServerBase):
    def do_get(self, context, ticket):
        batch = pyarrow.record_batch([pyarrow.array([1.0], pyarrow.float32()).take([0] * (CHUNK_BYTES // 4))], names=["values"])
        batches = (batch for _ in range(int(ticket.ticket) // CHUNK_BYTES))
        return pyarrow.flight.RecordBatchStream(pyarrow.RecordBatchReader.from_batches(batch.schema, batches))


def serve():
    server = Server("grpc://127.0.0.1:0")
    print(f"serving 127.0.0.1:{server.port}", flush=True)
    server.serve()


def read(address):
    client = pyarrow.flight.connect(f"grpc://{address}")
    for line in sys.stdin:
        size, taken = int(line), 0
        start = time.perf_counter()
        for chunk in client.do_get(pyarrow.flight.Ticket(line.strip().encode())):
            taken += chunk.data.num_rows * 4
        seconds = time.perf_counter() - start
        print(seconds if taken == size else f"error: {taken} bytes", flush=True)


if __name__ == "__main__":
    serve() if sys.argv[1] == "serve" else read(sys.argv[2])
