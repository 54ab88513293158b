#include "evidence/tlog_proof.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "evidence/formats/base64.h"
#include "evidence/formats/hex.h"
#include "evidence/formats/text_lines.h"
#include "evidence/formats/tlog_tile.h"

namespace impound::evidence {

namespace {

constexpr std::size_t path_hashes_max = 63;

Error malformed(std::string what) {
  return Error{
      Code::malformed, "not a proof: " + std::move(what), {}, "A proof is what `impound show ID --proof` prints"};
}

/// What stands behind "name " in the next line.
std::optional<std::string_view> take_value(std::string_view& rest, std::string_view name) {
  auto const line = take_line(rest);
  if (!line || line->size() <= name.size() || !line->starts_with(name) || (*line)[name.size()] != ' ')
    return std::nullopt;
  return line->substr(name.size() + 1);
}

}  // namespace

std::string tlog_proof_text(TlogProof const& proof) {
  std::string text{tlog_proof_first_line};
  text += "\nextra " + base64(bytes_of(proof.entry)) + "\nindex " + std::to_string(proof.index) + "\n";
  for (LeafHash const& hash : proof.path) text += base64(hash.bytes) + "\n";
  return text + "\n" + proof.note;
}

Result<TlogProof> read_tlog_proof(std::string_view text) {
  if (text.size() > tlog_proof_bytes_max) return malformed("it is too long");
  if (take_line(text) != tlog_proof_first_line)
    return malformed("its first line is not " + std::string(tlog_proof_first_line));
  TlogProof proof;
  auto const extra = take_value(text, "extra");
  if (!extra) return malformed("the line \"extra\", which holds the entry, is missing");
  auto const entry = from_base64(*extra);
  if (!entry || entry->empty() || entry->size() > entry_bytes_max) return malformed("the entry cannot be read");
  proof.entry = std::string(text_of(*entry));
  auto const digits = take_value(text, "index");
  auto const index = digits ? decimal(*digits, UINT64_MAX) : std::nullopt;
  if (!index) return malformed("the line \"index\"");
  proof.index = *index;
  for (;;) {
    auto const line = take_line(text);
    if (!line) return malformed("it ends before the checkpoint");
    if (line->empty()) break;
    auto const hash = from_base64(*line);
    if (!hash || hash->size() != LeafHash::size || proof.path.size() == path_hashes_max)
      return malformed("a line that should be a hash");
    std::copy(hash->begin(), hash->end(), proof.path.emplace_back().bytes.begin());
  }
  proof.note = std::string(text);
  return proof;
}

Result<TlogProof> make_tlog_proof(LogReader& log, std::uint64_t index) {
  TlogProof proof;
  proof.index = index;
  IMPOUND_TRY(entry, log.entry(index));
  if (entry.empty())
    return Error{Code::refused, "the entry was erased; its hash alone is left", "entry " + std::to_string(index), {}};
  proof.entry = std::move(entry);
  IMPOUND_TRY(path, MerkleProver(log.checkpoint().size, log.stored()).inclusion(index));
  proof.path = std::move(path);
  proof.note = log.note();
  return proof;
}

Result<Checkpoint> judge_tlog_proof(TlogProof const& proof, NoteKey const& key) {
  IMPOUND_TRY(checkpoint, read_checkpoint(proof.note, key));
  if (!inclusion_holds(leaf_hash(bytes_of(proof.entry)), proof.index, checkpoint.size, proof.path, checkpoint.root))
    return Error{Code::damaged,
                 "the proof does not lead from this entry to the checkpoint's root",
                 "entry " + std::to_string(proof.index),
                 {}};
  return checkpoint;
}

}  // namespace impound::evidence
