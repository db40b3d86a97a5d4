// The text of a journal: which blocks of an output are on the disk.
//
//   weightinit-journal 1 IDENTITY       what the output is, to the last byte
//   BLOCK DIGEST CHECK                  a block that is on the disk, and its digest
//   …
//
// A journal is only ever appended to, after the block's bytes have been brought to the disk. A line
// that a crash cut short or never wrote does not match its check: the lines before it count.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_FORMATS_JOURNAL_H_
#define WEIGHTINIT_CLIENT_FORMATS_JOURNAL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weightinit::client {

// Digest by block; none: to be drawn.
using DoneBlocks = std::vector<std::optional<std::uint64_t>>;

std::string JournalHead(std::string_view identity);
std::string JournalLine(std::string_view identity, std::size_t block, std::uint64_t digest);

// Whether the text is a journal at all, of whatever output.
bool IsJournal(std::string_view text);

// The blocks that the journal of this output names, and the bytes of the lines that do;
// nullopt: a journal of another one.
struct ParsedJournal {
  DoneBlocks done;
  std::size_t num_bytes = 0;
};
std::optional<ParsedJournal> ParseJournal(std::string_view text, std::string_view identity,
                                          std::size_t num_blocks);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_JOURNAL_H_
