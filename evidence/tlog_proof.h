// A proof that one entry is in the log, in one file that a stranger checks alone (C2SP tlog-proof@v1).
//
//     c2sp.org/tlog-proof@v1\n
//     extra <base64 of the entry>\n        what the format leaves to us: so the proof carries what it proves
//     index <decimal>\n
//     <base64 hash>\n …                    from the leaf's sibling to the root's child
//     \n
//     <checkpoint, as signed>
//
// It shows that whoever had the key put this entry at this place; that nobody forked the log, only a checkpoint held
// elsewhere, a witness or a timestamp shows. Pure functions but for make_tlog_proof; bytes of strangers get an Error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "evidence/checkpoint.h"
#include "evidence/formats/merkle.h"
#include "evidence/formats/signed_note.h"
#include "evidence/log_reader.h"
#include "evidence/values/result.h"

namespace impound::evidence {

inline constexpr std::string_view tlog_proof_first_line = "c2sp.org/tlog-proof@v1";
inline constexpr std::size_t tlog_proof_bytes_max = 1'200'000;  // the longest entry, 64 hashes, the longest note

struct TlogProof {
  std::uint64_t index = 0;
  std::string entry;
  MerkleProof path;
  std::string note;  // the checkpoint
};

std::string tlog_proof_text(TlogProof const& proof);

/// Strict: exactly the lines above, an entry of 1 to 65,535 bytes, at most 63 hashes. Code::malformed otherwise.
Result<TlogProof> read_tlog_proof(std::string_view text);

/// Of entry `index` under the reader's checkpoint. Code::not_found: the checkpoint does not reach it. Code::refused:
/// the entry was erased, and a proof has nothing to carry. The reader's thread.
Result<TlogProof> make_tlog_proof(LogReader& log, std::uint64_t index);

/// The checkpoint, once `key` is found to have signed it and the entry to be where the proof says. Code::refused: it is
/// not signed by `key`. Code::damaged: the entry, its index or a hash is another.
Result<Checkpoint> judge_tlog_proof(TlogProof const& proof, NoteKey const& key);

}  // namespace impound::evidence
