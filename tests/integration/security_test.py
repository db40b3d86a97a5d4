"""Who may call, over what: TLS, client certificates, tokens, and what is kept from the rest."""

import os
import stat
import subprocess
import shutil

import harness
import wire
from harness import cli, wait_until
from wire import grpc

OPENSSL = shutil.which("openssl") or harness.require_module_for_all("openssl", "the program openssl")
TOKEN, OTHER_TOKEN = "marker-of-a-secret-token", "another-secret-token"


class SecuredTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = cls.authority("ca")

    @classmethod
    def openssl(cls, *arguments):
        subprocess.run([OPENSSL, *arguments], check=True, capture_output=True, timeout=harness.PATIENCE)

    @classmethod
    def authority(cls, name):
        paths = [cls.shared_path(f"{name}.{end}") for end in ("pem", "key")]
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        cls.openssl("req", "-x509", *curve, "-keyout", paths[1], "-out", paths[0], "-subj", f"/CN={name}", "-days", "2")
        return paths

    def pair(self, name, subject, ca=None, serial=None, days=1):
        """Certificate and key in files, for localhost."""
        cert, key, request = (self.path(f"{name}.{end}") for end in ("pem", "key", "csr"))
        ca_cert, ca_key = ca or self.ca
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self.openssl("req", *curve, "-keyout", key, "-out", request, "-subj", f"/CN={subject}")
        names = self.write(f"{name}.ext", f"subjectAltName=DNS:localhost,DNS:{subject}\n")
        more = ("-set_serial", str(serial)) if serial else ("-CAcreateserial",)
        self.openssl("x509", "-req", "-in", request, "-CA", ca_cert, "-CAkey", ca_key, *more, "-out", cert, "-days", str(days), "-extfile", names)
        return cert, key

    def secure(self, server, cert=None, key=None, ca=None):
        """A channel that trusts our authority."""
        files = [harness.read(path) if path else None for path in ((ca or self.ca)[0], key, cert)]
        credentials = grpc.ssl_channel_credentials(*files)
        options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.secure_channel(server.address, credentials, options=options)
        self.addCleanup(channel.close)
        return channel

    def code(self, channel, **options):
        """What a small call came to; None: it was answered."""
        try:
            request = wire.service_pb2.InitializeTensorRequest(tensor=wire.spec("w", [10]))
            list(wire.stub(channel).InitializeTensor(request, timeout=10, **options))
            return None
        except grpc.RpcError as error:
            return error.code()


class TlsTest(SecuredTest):
    def test_calls_are_encrypted_and_a_client_certificate_is_wanted(self):
        cert, key = self.pair("server", "server")
        server = self.server(f"--tls-cert={cert}", f"--tls-key={key}", f"--tls-client-ca={self.ca[0]}", "--log-calls")
        ours = self.pair("client", "worker-7")
        stranger = self.pair("stranger", "stranger", self.authority("other-ca"))
        self.assertIsNone(self.code(self.secure(server, *ours)))
        server.wait_for_line("call ended.*client=worker-7|call ended.*client=localhost")
        for channel in (self.secure(server), self.secure(server, *stranger), wire.channel(server.address)):
            self.assertEqual(self.code(channel), grpc.StatusCode.UNAVAILABLE)
        tls = ("--server", server.address, "--tls-ca", self.ca[0], "--tls-server-name", "localhost")
        tensor = ("tensor", "--shape", "1000", "--init", "normal", "-o", "-")
        fetched = cli(*tensor, *tls, "--tls-cert", ours[0], "--tls-key", ours[1])
        self.assertSameBytes(fetched.out, cli(*tensor).out)
        for flags, hint in ((("--server", server.address), "want TLS? --tls"), (tls, "a client's certificate? --tls-cert")):
            self.assertIn(hint, cli(*tensor, *flags, expect=3).err)
        # Who may call may still not ask what there is.
        reflection = self.secure(server, *ours).stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        self.assertEqual(wire.failure(lambda: reflection(iter([b""]), timeout=10)).code, grpc.StatusCode.UNIMPLEMENTED)

    def test_an_expired_certificate_is_told_when_it_is_read(self):
        cert, key = self.pair("expired", "expired", days=0)
        server = self.server(f"--tls-cert={cert}", f"--tls-key={key}")
        server.wait_for_line(f"the certificate has expired.*{cert}")

    def test_a_new_pair_is_taken_without_a_restart_and_a_wrong_one_is_not(self):
        first, second, other = (self.pair(name, name) for name in ("first", "second", "other"))
        cert, key = self.path("tls.pem"), self.path("tls.key")

        def install(new_cert, new_key):
            for source, target in ((new_cert, cert), (new_key, key)):
                shutil.copy(source, target + ".new")
                os.replace(target + ".new", target)

        def is_served(name):
            files = grpc.ssl_channel_credentials(harness.read(self.ca[0]))
            options = [("grpc.ssl_target_name_override", name), ("grpc.use_local_subchannel_pool", 1)]
            with grpc.secure_channel(server.address, files, options=options) as channel:
                return self.code(channel) is None

        install(*first)
        server = self.server(f"--tls-cert={cert}", f"--tls-key={key}")
        running = self.secure(server)
        self.assertTrue(is_served("first"))
        install(second[0], other[1])  # a key of another
        server.wait_for_line("the former certificate stays.*does not belong to the key")
        self.assertTrue(is_served("first"))
        install(*second)
        server.wait_for_line("new certificate")
        wait_until(lambda: is_served("second"), "the new pair is served", every=0.2)
        self.assertFalse(is_served("first"))
        self.assertIsNone(self.code(running), "a connection lives on")
        self.assertNotIn("PRIVATE", server.text)

    def test_files_that_are_no_pair_are_exit_2(self):
        cert, key = self.pair("server", "server")
        other_key = self.pair("other", "other")[1]
        for flags, said in (
            ([f"--tls-cert={cert}"], "--tls-cert and --tls-key go together"),
            ([f"--tls-cert={cert}", f"--tls-key={other_key}"], "does not belong to the key"),
            ([f"--tls-cert={key}", f"--tls-key={key}"], "holds no certificate"),
            ([f"--tls-cert={cert}", f"--tls-key={key}.not"], "No such file"),
            ([f"--tls-client-ca={cert}"], "--tls-client-ca goes with"),
            ([f"--tls-cert={cert}", f"--tls-key={key}", "--insecure"], "exclude one another"),
            (["--listen=0.0.0.0:0"], "--insecure"),
            (["--token-file=/dev/null"], "holds no token"),
            (["--unix-socket-mode=rw"], "--unix-socket-mode"),
            (["--unix-socket-owner=no-such-user"], "--unix-socket-owner"),
        ):
            with self.subTest(flags=flags):
                result = harness.run([harness.SERVER, "--listen=127.0.0.1:0", *flags])
                self.assertEqual(result.code, 2, result)
                self.assertIn(said, result.err)


    def test_files_that_the_program_cannot_use_are_exit_2_before_it_connects(self):
        cert, key = self.pair("client", "client")
        other_key = self.pair("other", "other")[1]
        junk, half = self.write("junk", "no PEM"), self.write("half", harness.read(cert).decode() + "-----BEGIN CERTIFICATE-----\nAAAA\n")
        for flags, said in (
            (["--tls-cert", cert], "--tls-cert and --tls-key go together"),
            (["--tls-cert", cert, "--tls-key", other_key], f"{cert}: does not belong to the key in {other_key}"),
            (["--tls-cert", cert, "--tls-key", cert], f"{cert}: holds no private key"),
            (["--tls-cert", key, "--tls-key", key], f"{key}: holds no certificate"),
            (["--tls-ca", junk], f"{junk}: holds no certificate"),
            (["--tls-ca", half], f"{half}: holds a certificate that cannot be read"),
            (["--tls-ca", f"{cert}.not"], "No such file"),
            (["--token-file", f"{key}.not"], "No such file"),
        ):
            with self.subTest(flags=flags):
                self.assertIn(said, cli("status", "--server", "localhost:1", *flags, expect=2).err)


class TokenTest(SecuredTest):
    def bearer(self, token):
        return {"metadata": (("authorization", f"Bearer {token}"),)}

    def test_every_method_but_health_wants_a_token(self):
        tokens = self.write("tokens", f"# those of the lab\nalice {TOKEN}\nbob {OTHER_TOKEN} max-streams=1\n")
        server = self.server(f"--token-file={tokens}", "--log-calls", "--log-level=debug")
        with wire.channel(server.address) as channel:
            self.assertEqual(wire.check_health(channel), wire.SERVING)
            methods = wire.service_pb2.DESCRIPTOR.services_by_name["WeightInitService"].methods
            self.assertGreaterEqual(len(methods), 5)
            for method in methods:
                call = channel.unary_stream(f"/{wire.SERVICE}/{method.name}")
                for wrong in ({}, self.bearer("wrong"), self.bearer(""), {"metadata": (("authorization", TOKEN),)}):
                    self.assertEqual(wire.failure(lambda: call(b"", timeout=10, **wrong)).code, grpc.StatusCode.UNAUTHENTICATED, method.name)
                self.assertNotEqual(self.outcome(call, TOKEN), grpc.StatusCode.UNAUTHENTICATED, method.name)
            self.assertIsNone(self.code(channel, **self.bearer(TOKEN)))
            server.wait_for_line("call ended.*client=alice")
            reflection = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
            self.assertEqual(wire.failure(lambda: reflection(iter([b""]), timeout=10)).code, grpc.StatusCode.UNIMPLEMENTED)

            # A number of streams of its own, whoever else calls.
            endless = wire.service_pb2.InitializeTensorRequest(tensor=wire.spec("e", [1 << 36]))
            stream = wire.stub(channel).InitializeTensor(endless, timeout=60, **self.bearer(OTHER_TOKEN))
            next(stream)
            busy = wire.failure(lambda: wire.stub(channel).InitializeTensor(endless, timeout=10, **self.bearer(OTHER_TOKEN)))
            self.assertEqual((busy.code, busy.reason), (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER_BUSY"))
            self.assertGreater(busy.retry, 0)
            self.assertIsNone(self.code(channel, **self.bearer(TOKEN)))
            stream.cancel()

            # Replaced without a restart; what is no good replaces nothing.
            self.write("tokens", "alice short\n")
            server.wait_for_line("the former tokens stay.*line 1")
            self.assertIsNone(self.code(channel, **self.bearer(TOKEN)))
            self.write("tokens", "alice a-token-that-is-new\n")
            server.wait_for_line("new tokens")
            self.assertEqual(self.code(channel, **self.bearer(TOKEN)), grpc.StatusCode.UNAUTHENTICATED)
            self.assertIsNone(self.code(channel, **self.bearer("a-token-that-is-new")))
        for secret in (TOKEN, OTHER_TOKEN):
            self.assertNotIn(secret, server.text)
            with open(f"/proc/{server.pid}/cmdline", encoding="utf-8") as command:
                self.assertNotIn(secret, command.read())

    def outcome(self, call, token):
        try:
            list(call(b"", timeout=10, **self.bearer(token)))
            return None
        except grpc.RpcError as error:
            return error.code()

    def test_the_program_sends_a_token_and_never_in_plaintext_to_others(self):
        server = self.server(f"--token-file={self.write('tokens', f'alice {TOKEN}')}")
        file = self.write("token", TOKEN + "\n")
        tensor = ("tensor", "--shape", "1000", "--init", "normal", "-o", "-")
        self.assertSameBytes(cli(*tensor, "--server", server.address, "--token-file", file).out, cli(*tensor).out)
        refused = cli(*tensor, "--server", server.address, expect=1)
        self.assertIn("--token-file", refused.err)
        elsewhere = cli(*tensor, "--server", "192.0.2.1:1", "--token-file", file, expect=None)
        self.assertNotEqual(elsewhere.code, 0)
        self.assertIn("in plaintext", elsewhere.err)
        self.assertNotIn(TOKEN, refused.err + elsewhere.err)


class SocketFileTest(harness.TestCase):
    def test_the_mode_is_what_was_asked_for(self):
        path = self.path("s.sock")
        server = self.server("--unix-socket-mode=0600", f"--unix-socket-owner={os.getuid()}:{os.getgid()}", listen=(f"unix:{path}",))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        cli("status", "--server", server.address)


if __name__ == "__main__":
    harness.main()
