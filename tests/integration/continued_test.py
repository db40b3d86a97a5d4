"""Runs that break off, and the same command that goes on where they stopped."""

import hashlib
import os
import random
import re
import resource
import signal
import subprocess
import time

import harness
from harness import MIB, cli, read, start_cli, wait_until

# Ten tensors of one block each and one of several, 460 MB in all; a fifth of it where a sanitizer draws slowly.
MILLION = 200_000 if harness.SANITIZED else 1_000_000
RECIPE = "seed: 5\ntensors:\n" + "".join(
    f"  - {{name: t{i}, shape: [{8 if i == 4 else 1}, {20 * MILLION}], dtype: {'bfloat16' if i % 2 else 'float8_e5m2'}, init: normal}}\n"
    for i in range(11)
)
SHARDS = ("--max-shard-size", f"{150 * MILLION}B")


def sha256(path):
    digest = hashlib.sha256()
    for directory, _, names in sorted(os.walk(path)) if os.path.isdir(path) else [("", [], [path])]:
        for name in sorted(names):
            digest.update(os.path.basename(name).encode() if directory else b"")
            with open(os.path.join(directory, name), "rb") as file:
                while chunk := file.read(MIB):
                    digest.update(chunk)
    return digest.hexdigest()


class ResumeTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.recipe = cls.shared_write("recipe.yaml", RECIPE)
        cls.expected = {}
        for flags in (("m.safetensors",), ("shards", *SHARDS)):
            path = cls.shared_path(flags[0])
            cli("model", cls.recipe, "-o", path, *flags[1:])
            cls.expected[flags[0]] = sha256(path)
            subprocess.run(["rm", "-rf", path], check=True)

    def setUp(self):
        super().setUp()
        self.target = self.path("m.safetensors")

    def command(self, target=None, *flags):
        extra = SHARDS if (target or "").endswith("shards") else ()
        return ("model", self.recipe, "-o", target or self.target, *extra, *flags)

    def journaled(self, target=None):
        return harness.journaled_blocks(target or self.target)

    def broken(self, *flags, number=signal.SIGKILL, target=None, after=1):
        """A run that a signal ends once its journal has so many blocks; None if it was quicker than that."""
        client = start_cli(*self.command(target, *flags))
        self.addCleanup(client.kill)
        wait_until(lambda: self.journaled(target) >= after or not client.is_running(), "the journal has blocks", every=0.002)
        client.signal(number)
        client.wait()
        return client

    def assertWhole(self, target=None):
        name = os.path.basename(target or self.target)
        self.assertEqual(os.listdir(self.directory), [name])
        self.assertEqual(sha256(target or self.target), self.expected[name])

    def test_after_a_kill_the_same_command_goes_on(self):
        for target in (self.target, self.path("shards")):
            with self.subTest(target):
                self.broken(target=target)
                base = os.path.basename(target)
                self.assertEqual(sorted(os.listdir(self.directory)), [base + ".journal", base + ".partial"])
                result = cli(*self.command(target))
                self.assertRegex(result.err, r"^goes on where a run broke off: .* holds [\d.]+ MB of [\d.]+ MB\n")
                self.assertRegex(result.err, r"of them [\d.]+ [MG]B now")
                self.assertWhole(target)
                subprocess.run(["rm", "-rf", target], check=True)

    def test_kills_at_random_times_change_no_bit(self):
        randomness = random.Random(20)
        for _ in range(2):
            for _ in range(6):
                client = start_cli(*self.command())
                time.sleep(randomness.uniform(0, 0.6))
                client.kill()
                if os.path.exists(self.target):
                    break
            cli(*self.command())
            self.assertWhole()
            os.remove(self.target)

    def test_an_interrupt_keeps_what_is_done_and_says_so(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            client = self.broken(number=number, after=self.journaled() + 1)
            self.assertEqual(client.wait(), 3)
            self.assertRegex(client.lines[-2], r"kept in .*m\.safetensors\.partial; the same command goes on from there$")
            self.assertEqual(client.lines[-1], "weightinit: interrupted")
        self.assertIn("goes on", cli(*self.command()).err)
        self.assertWhole()

    def test_it_goes_on_with_a_server_another_server_and_alone(self):
        servers = [self.server(), self.server("--threads", "1")]
        self.broken()
        done = self.journaled()
        self.broken("--server", servers[0].address, after=done + 1)
        done = self.journaled()
        self.broken("--server", servers[1].address, after=done + 1)
        self.assertIn("goes on", cli(*self.command(None, "--threads", "1")).err)
        self.assertWhole()

    def test_a_server_that_goes_away_leaves_what_is_done(self):
        server = self.server()
        client = start_cli(*self.command(None, "--server", server.address, "--retry-for", "0"))
        self.addCleanup(client.kill)
        wait_until(lambda: self.journaled() >= 1 or not client.is_running(), "the journal has blocks", every=0.002)
        server.signal(signal.SIGKILL)
        self.assertEqual(client.wait(), 3, client.text)
        self.assertIn("the same command goes on", client.text)
        cli(*self.command(None, "--server", self.server().address))
        self.assertWhole()

    def test_another_recipe_seed_dtype_or_part_starts_over_and_says_so(self):
        other = self.write("other.yaml", RECIPE.replace("init: normal", "init: uniform", 1))
        for command in (
            self.command(None, "--seed", "6"),
            self.command(None, "--dtype", "bfloat16"),
            self.command(None, "--only", "t[0-8]"),
            self.command(None, "--rank", "0", "--world-size", "2"),
            ("model", other, "-o", self.target),
        ):
            with self.subTest(command):
                self.broken()
                result = cli(*command)
                self.assertIn("m.safetensors.partial is of another recipe, seed or flags: starting over\n", result.err)
                fresh = self.path("fresh.safetensors")
                cli(*(fresh if part == self.target else part for part in command))
                self.assertEqual(sha256(self.target), sha256(fresh))
                os.remove(self.target)
                os.remove(fresh)

    def test_raw_bytes_of_other_tensors_start_over_though_they_are_as_many(self):
        target = self.path("m.bin")
        self.broken("--only", "t[0-9]", target=target)
        result = cli(*self.command(target, "--only", "t[1-9]|t10"))
        self.assertIn("starting over", result.err)
        self.assertEqual(hashlib.sha256(cli("model", self.recipe, "--only", "t[1-9]|t10", "-o", "-").out).hexdigest(), sha256(target))

    def test_two_runs_never_write_one_file(self):
        client = start_cli(*self.command())
        self.addCleanup(client.kill)
        wait_until(lambda: self.journaled() >= 0 and os.path.exists(self.target + ".partial"), "it has begun", every=0.002)
        result = cli(*self.command(), expect=None)
        if client.is_running():
            self.assertEqual(result.code, 1)
            self.assertIn("another run is writing it", result.err)
        client.wait()
        self.assertWhole()

    def test_a_file_that_was_there_stays_until_the_new_one_is_whole(self):
        with open(self.target, "wb") as file:
            file.write(b"precious")
        self.broken()
        self.assertEqual(read(self.target), b"precious")
        cli(*self.command())
        self.assertWhole()

    def test_a_limit_on_the_size_of_files_is_told_before_anything_is_drawn(self):
        client = start_cli(*self.command(), file_limit=16 * MIB)
        self.addCleanup(client.kill)
        self.assertEqual(client.wait(), 1)
        self.assertIn("ulimit -f", client.text)
        self.assertEqual(os.listdir(self.directory), [])

    def test_devices_are_no_places_for_files(self):
        device = self.path("device.safetensors")
        os.symlink("/dev/full", device)
        self.assertIn("is a device", cli("model", self.recipe, "-o", device, expect=1).err)
        self.assertEqual(os.listdir(self.directory), ["device.safetensors"])
        cli("model", self.recipe, "-o", "/dev/full", expect=2)
        with open("/dev/full", "wb") as full:
            with start_cli("model", self.recipe, "-o", "-", stdout=full) as client:
                self.assertEqual(client.wait(), 1, client.text)
                self.assertIn("No space left", client.text)

    def test_a_full_disk_keeps_what_is_done(self):
        disk = self.path("disk")
        os.mkdir(disk)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={400 * MILLION}", "tmpfs", disk]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            self.skipTest("no file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=False)
        # A single file is refused at once; of a directory the shards that fit are kept.
        lone = cli("model", self.recipe, "-o", os.path.join(disk, "m.safetensors"), expect=1)
        self.assertIn("there is no room", lone.err)
        self.assertEqual(os.listdir(disk), [])
        target = os.path.join(disk, "shards")
        broken = cli(*self.command(target), expect=1)
        self.assertIn("the disk is full", broken.err)
        self.assertIn("the same command goes on", broken.err)
        subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)
        self.assertIn("goes on", cli(*self.command(target)).err)
        self.assertEqual(sha256(target), self.expected["shards"])
        self.assertEqual(os.listdir(disk), ["shards"])


class MemoryTest(harness.TestCase):
    def test_memory_does_not_grow_with_the_model(self):
        if harness.SANITIZED:
            self.skipTest("a sanitizer multiplies memory")
        recipe = self.write("big.yaml", "tensors: [{name: w, shape: [65536, 16384], dtype: bfloat16, init: uniform}]")
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        with start_cli("model", recipe, "-o", "-") as client:
            most = 0
            while client.is_running():
                try:
                    text = read(f"/proc/{client.pid}/status").decode()
                except OSError:
                    break
                most = max(most, int((re.search(r"VmHWM:\s*(\d+) kB", text) or [0, 0])[1]) * 1024)
                time.sleep(0.02)
            self.assertEqual(client.wait(), 0, client.text)
        self.assertGreater(most, MIB, before)
        self.assertLessEqual(most, 256 * MIB)


if __name__ == "__main__":
    harness.main()
