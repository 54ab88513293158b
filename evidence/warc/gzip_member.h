// One gzip member (RFC 1952) over ISA-L's igzip, as a stream both ways: 64 KiB at a time, whatever the bytes. Private
// to warc/.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>

#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

/// Gets the next bytes of the member.
using MemberSink = std::function<Result<void>(Bytes)>;

/// Compresses the pieces, one after the other, into one member behind what `to` holds. Same input, same member on the
/// same machine (no time stamp). Keeps 200 KB a thread for the next one.
Result<void> append_member(std::initializer_list<Bytes> pieces, std::string& to);

/// Inflates one member; made anew for each.
class MemberInflater {
 public:
  MemberInflater();
  ~MemberInflater();
  MemberInflater(MemberInflater&&) noexcept;
  MemberInflater& operator=(MemberInflater&&) noexcept;

  /// Takes bytes from `input` and gives what comes out to `sink`; the number taken. Less than all of it only when the
  /// member has ended. Code::malformed for bytes that are no member, or a wrong checksum.
  Result<std::size_t> add(Bytes input, MemberSink const& sink);
  bool ended() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace impound::evidence
