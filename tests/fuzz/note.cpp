// corpus: tlog
// Signed notes and checkpoints: foreign bytes that verify reads before anything is trusted.
#include <cstddef>
#include <cstdint>

#include "evidence/checkpoint.h"
#include "evidence/tlog_proof.h"
#include "evidence/values/must.h"
#include "evidence/vault.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound;
  std::string_view const text(reinterpret_cast<char const*>(bytes), size);
  (void)parse_note(text);
  if (auto const checkpoint = evidence::checkpoint_from_text(text))
    must(evidence::checkpoint_text(checkpoint.value()) == text);
  if (auto const vault = evidence::VaultIdentity::parse(text)) must(vault.value().toml == text);
  if (auto const proof = evidence::read_tlog_proof(text)) must(evidence::tlog_proof_text(proof.value()) == text);
  return 0;
}
