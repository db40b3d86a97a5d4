"""The command line: what it refuses, with which exit code and in which words, and that one signal ends it."""

import fcntl
import json
import os
import re
import signal
import stat
import subprocess
import time

import harness
from harness import cli, read, start_cli, wait_until

TENSOR = ("tensor", "--shape", "4,3", "--init", "normal")


class RefusalTest(harness.TestCase):
    def assertRefused(self, code, words, *arguments, **options):
        result = cli(*arguments, expect=None, **options)
        self.assertEqual(result.code, code, result)
        self.assertIn(words, result.err)
        self.assertEqual(result.out, b"")
        self.assertEqual(os.listdir(self.directory), [])
        return result

    def test_numbers_that_are_none_are_mistakes(self):
        for flag in ("--seed", "--subsequence"):
            for text in ("-1", str(2**64), "010", "0x10", "1e3", ""):
                with self.subTest(flag=flag, text=text):
                    self.assertRefused(2, f"{flag}: '{text}' is not a whole number", *TENSOR, flag, text)
        for flag, text in (("--threads", "010"), ("--threads", "1025"), ("--max-matrix-bytes", "-1")):
            with self.subTest(flag=flag, text=text):
                self.assertRefused(2, f"{flag}: '{text}' is not a whole number", *TENSOR, flag, text)
        self.assertRefused(2, "--timeout: 'soon' is not a number", *TENSOR, "--timeout", "soon")
        self.assertRefused(2, "--wait: '-1' is not a number", "status", "--wait", "-1")
        self.assertRefused(2, "--retry-for: '-1' is not a number", *TENSOR, "--retry-for", "-1")
        for text in ("0", "65", "many"):
            self.assertRefused(2, f"--connections: '{text}' is not a whole number", *TENSOR, "--connections", text)

    def test_an_empty_value_is_a_mistake(self):
        for arguments in (
            (*TENSOR, "-o", ""),
            ("model", "article_net", "-o", ""),
            ("model", "article_net", "--init", ""),
            ("model", "article_net", "--only", ""),
            ("model", "article_net", "--rules", ""),
            ("digest", "article_net", "--server", ""),
        ):
            with self.subTest(arguments=arguments):
                self.assertRefused(2, "is empty", *arguments)
        # Nobody asked for a server here.
        cli(*TENSOR, env={"WEIGHTINIT_SERVER": ""})

    def test_what_cannot_be_read_is_exit_2_and_what_is_refused_exit_1(self):
        for words, flags in (
            ('--dtype: "fp17" is not a dtype', ("--dtype", "fp17")),
            ('--generator: "x" is not', ("--generator", "x")),
            ('--slice: "foo" is not a slice', ("--slice", "foo")),
            ("--layout: ", ("--layout", "x")),
        ):
            with self.subTest(flags=flags):
                result = self.assertRefused(2, words, *TENSOR, *flags)
                self.assertNotIn("dtype: dtype", result.err)
        for words, init in (
            ("is not an initializer (did you mean normal?)", "normall"),
            ("lacks the closing parenthesis", "normal(std=1"),
            ("no such parameter", "zeros(std=1)"),
            ("write normal(std=0.02)", "normal,std=0.02"),
        ):
            with self.subTest(init=init):
                self.assertRefused(2, words, "tensor", "--shape", "4,3", "--init", init)
        for words, flags in (
            ("outside a dimension of size 4", ("--slice", "0:5")),
            ("has a step below 1", ("--slice", "::-1")),
            ("std", ("--std", "-1")),
        ):
            with self.subTest(flags=flags):
                self.assertRefused(1, words, *TENSOR, *flags)

    def test_fans_are_named_as_the_flags_that_set_them(self):
        result = self.assertRefused(1, "--fan-in and --fan-out", "tensor", "--shape", "4", "--init", "lecun_normal")
        self.assertNotIn("fan.", result.err)

    def test_flags_of_a_server_want_one(self):
        for flags in (
            ("--timeout", "1"),
            ("--connections", "2"),
            ("--retry-for", "60"),
            ("--tls",),
            ("--tls-ca", "ca.pem"),
            ("--tls-server-name", "x"),
            ("--token-file", "x"),
        ):
            with self.subTest(flags=flags):
                self.assertRefused(2, "--server", *TENSOR, *flags)
        for command in ("manifest", "recipes"):
            self.assertRefused(2, "--server", command, "x", "--server", "localhost:1")

    def test_an_address_that_is_none_is_not_dialled(self):
        for address in ("127.0.0.1", "http://localhost:50051", "localhost:", ":1", "localhost:99999", "unix:"):
            with self.subTest(address=address):
                self.assertRefused(2, f"--server: '{address}' is not HOST:PORT", *TENSOR, "--server", address)

    def test_init_beside_rules_that_leave_nothing_open(self):
        for command in ("model", "plan", "digest"):
            self.assertRefused(1, "--init is used for no tensor", command, "article_net", "--init", "zeros")

    def test_a_matrix_beyond_the_limit_of_the_process_is_not_begun(self):
        huge = ("tensor", "--shape", "100000,100000", "--init", "orthogonal", "--slice", "0:1")
        self.assertRefused(1, "raise --max-matrix-bytes", *huge)
        small = ("tensor", "--shape", "32,32", "--init", "orthogonal")
        self.assertRefused(1, "raise --max-matrix-bytes", *small, "--max-matrix-bytes", "1")
        cli(*small, "--max-matrix-bytes", 1 << 20)

    def test_a_tensor_in_a_safetensors_file_has_a_name(self):
        path = self.path("w.safetensors")
        self.assertRefused(2, "--name is missing", *TENSOR, "-o", path)
        cli(*TENSOR, "--name", "w", "-o", path)

    def test_what_is_wrong_is_an_object_too_wherever_json_stands(self):
        for flags in (("--json", "--seed", "-1"), ("--seed", "-1", "--json")):
            error = json.loads(cli(*TENSOR, *flags, expect=2).text)["error"]
            self.assertEqual(error["code"], "INVALID_ARGUMENT")
            self.assertIn("--seed", error["message"])
        self.assertIn("tensor", json.loads(cli("tensr", "--json", expect=2).text)["error"]["message"])


class FileTest(harness.TestCase):

    def test_flags_of_drawing_beside_a_file_that_is_read(self):
        path = self.path("net.safetensors")
        cli("model", "article_net", "-o", path)
        for flags in (("--seed", "1"), ("--dtype", "bf16"), ("--only", "fc.*"), ("--slice", "0:1")):
            with self.subTest(flags=flags):
                self.assertIn(flags[0] + " says what to draw", cli("digest", path, *flags, expect=2).err)
        cli("digest", path, "--init", "zeros", "--seed", "1")

    def test_files_of_other_formats_are_called_so(self):
        npy = self.path("w.npy")
        cli(*TENSOR, "-o", npy)
        self.assertIn("is not a safetensors file", cli("manifest", npy, expect=1).err)
        self.assertIn("is not text but binary", cli("digest", npy, expect=1).err)

    def test_a_replaced_file_keeps_its_permissions(self):
        path = self.write("w.bin", "secret")
        os.chmod(path, 0o600)
        cli(*TENSOR, "-o", path)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def test_dtypes_by_their_usual_names(self):
        long = cli(*TENSOR, "--dtype", "bfloat16", "-o", "-").out
        for name in ("bf16", "BF16", "torch.bfloat16"):
            self.assertEqual(cli(*TENSOR, "--dtype", name, "-o", "-").out, long)
        recipe = self.write("r.yaml", "tensors:\n  - {name: '', shape: [4, 3], dtype: bf16, init: normal}\n")
        self.assertEqual(cli("model", recipe, "-o", "-").out, long)

    def test_a_slice_of_one_tensor_of_a_model(self):
        whole, part = self.path("whole.bin"), self.path("part.bin")
        only = ("model", "article_net", "--only", r"fc1\.weight")
        cli(*only, "-o", whole)
        cli(*only, "--slice", "2:4", "-o", part)
        row = len(read(whole)) // 120
        self.assertSameBytes(read(part), read(whole)[2 * row : 4 * row])
        for flags in (("--slice", "2:4"), ("--rank", 0, "--world-size", 2)):
            self.assertIn("a plan is of whole tensors", cli("plan", "article_net", "--only", r"fc1\.weight", *flags, expect=2).err)
        self.assertIn("--only picks one", cli("model", "article_net", "--slice", "0:1", expect=2).err)

    def test_a_recipe_comes_from_stdin(self):
        recipe = cli("recipes", "article_net").out
        piped = harness.run([harness.CLI, "digest", "-"], stdin=recipe)
        self.assertEqual(piped.code, 0, piped)
        self.assertEqual(piped.text, cli("digest", "article_net").text)


class HelpTest(harness.TestCase):
    def test_help_of_a_command_in_both_ways(self):
        for command in ("tensor", "model", "plan", "digest", "manifest", "methods", "recipes", "status"):
            with self.subTest(command=command):
                text = cli(command, "--help").text
                self.assertEqual(cli("help", command).text, text)
                self.assertLessEqual(max(map(len, text.splitlines())), 200, text)
        self.assertIn("unknown command", cli("help", "tensors", expect=2).err)

    def test_help_says_what_exit_codes_mean(self):
        self.assertRegex(cli("--help").text, "Exit codes: 0 .*1 .*2 .*3 ")

    def test_quiet_has_a_short_form(self):
        self.assertEqual(cli(*TENSOR, "-o", self.path("w.bin"), "-q").err, "")


class SignalTest(harness.TestCase):
    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

    def assertEndsBy(self, number, process):
        process.signal(number)
        self.assertEqual(process.wait(), 3, process.text)
        self.assertEqual(process.text, "weightinit: interrupted")

    def wait_until_full(self, pipe):
        """Until it has stopped growing: its writer is blocked."""

        def size():
            return int.from_bytes(fcntl.ioctl(pipe, 0x541B, bytes(4)), "little")  # FIONREAD

        wait_until(lambda: size() > 0 and (before := size()) is not None and time.sleep(0.2) is None and size() == before, "full")

    def test_one_signal_ends_what_writes_to_a_pipe_that_nobody_reads(self):
        server = self.server()
        long = self.write(
            "long.yaml", "tensors:\n" + "".join(f"  - {{name: t{i}, shape: [1], init: ones}}\n" for i in range(5000))
        )
        for command in (
            ("model", "resnet50", "-o", "-"),
            ("model", "resnet50", "-o", "-", "--server", server.address),
            ("digest", long, "--quiet"),
        ):
            for number in self.SIGNALS if command[-1] == "-" else self.SIGNALS[1:2]:
                with self.subTest(command=command, signal=number):
                    with start_cli(*command, stdout=subprocess.PIPE) as client:
                        self.wait_until_full(client.stdout)
                        self.assertEndsBy(number, client)

    def test_one_signal_ends_what_waits_for_a_recipe(self):
        fifo = self.path("fifo.yaml")
        os.mkfifo(fifo)
        with start_cli("model", fifo) as client:
            wait_until(lambda: self.is_blocked(client), "it opens the fifo")
            self.assertEndsBy(signal.SIGTERM, client)
        with start_cli("model", fifo) as client:
            with open(fifo, "wb"):  # waits for the reader, and then writes nothing
                wait_until(lambda: self.is_blocked(client), "it reads the fifo")
                self.assertEndsBy(signal.SIGTERM, client)

    @staticmethod
    def is_blocked(process):
        status = read(f"/proc/{process.pid}/status").decode()
        blocked = int(re.search(r"^SigBlk:\s*(\w+)", status, re.M).group(1), 16)
        return blocked >> (signal.SIGTERM - 1) & 1 == 1 and "State:\tS" in status

    def test_sigquit_leaves_no_temporary_file(self):
        target = self.path("w.bin")
        endless = ("tensor", "--shape", "1048576,65536", "--init", "normal", "-o", target)
        with start_cli(*endless, file_limit=8192 * harness.MIB) as client:
            wait_until(lambda: os.listdir(self.directory) != [], "the file is begun")
            self.assertEndsBy(signal.SIGQUIT, client)
        self.assertEqual(os.listdir(self.directory), [])

    def test_a_closed_stdout_is_called_so(self):
        for command in ("recipes", "tensor --shape 3 --init ones -o -", f"digest {self.path('x.yaml')}"):
            self.write("x.yaml", "tensors:\n  - {name: a, shape: [1], init: ones}\n")
            result = harness.run(["/bin/sh", "-c", f'exec "$0" {command} 1>&-', harness.CLI])
            self.assertEqual(result.code, 1, result)
            self.assertIn("stdout", result.err)
            self.assertNotIn("Invalid argument", result.err)


class TimeoutTest(harness.TestCase):
    def test_a_deadline_names_its_flag(self):
        server = self.server()
        endless = ("digest", "--shape", "1048576,65536", "--init", "normal")
        result = cli(*endless, "--server", server.address, "--timeout", "0.3", expect=3)
        self.assertIn("(--timeout: 0.3 s)", result.err)


if __name__ == "__main__":
    harness.main()
