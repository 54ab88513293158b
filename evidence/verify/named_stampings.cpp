#include "evidence/verify/named_stampings.h"

#include <utility>

namespace impound::evidence {

void NamedStampings::take_attempt(ReadEntry const& entry, std::string const& where, Verdict& verdict) {
  auto attempt = attempt_from_json(entry.body());
  if (!attempt) {
    verdict.add(What::malformed, where, line(attempt.error()));
    return;
  }
  if (attempt.value().size > entry.index) {
    verdict.add(What::malformed, where, "it has a checkpoint stamped that reaches beyond itself");
    return;
  }
  files_.insert(attempt.value().checkpoint.file);
  sizes_.insert(attempt.value().size);
  by_attempt_.insert_or_assign(entry.id(), all_.size());
  all_.push_back({entry.index, std::move(attempt).value(), 0, {}});
}

void NamedStampings::take_result(ReadEntry const& entry, std::string const& where, Verdict& verdict) {
  auto const of = entry.of();
  auto const found = of ? by_attempt_.find(*of) : by_attempt_.end();
  auto result = result_from_json(entry.body());
  if (!result || found == by_attempt_.end()) {
    verdict.add(What::malformed, where, result ? "it is the result of no timestamp.attempt" : line(result.error()));
    return;
  }
  NamedStamping& stamping = all_[found->second];
  if (stamping.result || stamping.attempt.size != result.value().size) {
    verdict.add(What::malformed, where,
                stamping.result ? "its attempt has a result already" : "its attempt is over another size");
    return;
  }
  for (KeptToken const& token : result.value().tokens) {
    files_.insert(token.reply.file);
    files_.insert(token.chain.file);
    for (KeptFile const& crl : token.crls) files_.insert(crl.file);
  }
  stamping.result_index = entry.index;
  stamping.result = std::move(result).value();
}

bool NamedStampings::of_open(std::string_view path) const {
  std::string_view const name = path.substr(path.rfind('/') + 1);
  for (NamedStamping const& stamping : all_) {
    if (stamping.result || !path.starts_with(timestamp_folder(stamping.attempt.size) + "/")) continue;
    for (AskedAuthority const& authority : stamping.attempt.authorities)
      if (is_file_of(name, authority.name)) return true;
  }
  return false;
}

}  // namespace impound::evidence
