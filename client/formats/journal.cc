#include "client/formats/journal.h"

#include <charconv>
#include <cstdio>
#include <system_error>

namespace weightinit::client {
namespace {

constexpr std::string_view kMagic = "weightinit-journal 1 ";

// FNV-1a: tells a torn line from a whole one, nothing more.
std::uint64_t Check(std::string_view identity, std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::string_view part : {identity, text}) {
    for (const char c : part) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

std::string Hex(std::uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

}  // namespace

std::string JournalHead(std::string_view identity) {
  return std::string(kMagic).append(identity) + "\n";
}

std::string JournalLine(std::string_view identity, std::size_t block, std::uint64_t digest) {
  const std::string text = std::to_string(block) + " " + Hex(digest);
  return text + " " + Hex(Check(identity, text)) + "\n";
}

bool IsJournal(std::string_view text) { return text.starts_with("weightinit-journal "); }

std::optional<ParsedJournal> ParseJournal(std::string_view text, std::string_view identity,
                                          std::size_t num_blocks) {
  const std::string head = JournalHead(identity);
  if (!text.starts_with(head)) return std::nullopt;
  ParsedJournal journal{DoneBlocks(num_blocks), head.size()};
  while (true) {
    const std::string_view rest = text.substr(journal.num_bytes);
    const std::string_view line = rest.substr(0, rest.find('\n') + 1);
    const char* const end = line.data() + line.size();
    std::size_t block = 0;
    std::uint64_t digest = 0;
    const auto [after_block, bad] = std::from_chars(line.data(), end, block);
    if (bad != std::errc() || after_block == end || block >= num_blocks) return journal;
    std::from_chars(after_block + 1, end, digest, 16);
    if (line != JournalLine(identity, block, digest)) return journal;
    journal.done[block] = digest;
    journal.num_bytes += line.size();
  }
}

}  // namespace weightinit::client
