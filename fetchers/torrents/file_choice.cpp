#include "fetchers/torrents/file_choice.h"

#include <utility>

namespace impound::fetchers {

std::string bits_of(std::vector<bool> const& flags) {
  std::string bits((flags.size() + 7) / 8, '\0');
  for (std::size_t i = 0; i < flags.size(); ++i)
    if (flags[i]) bits[i / 8] = static_cast<char>(static_cast<unsigned char>(bits[i / 8]) | (1u << (i % 8)));
  return bits;
}

std::vector<bool> flags_of(std::string_view bits) {
  std::vector<bool> flags(bits.size() * 8);
  for (std::size_t i = 0; i < flags.size(); ++i)
    flags[i] = (unsigned{static_cast<unsigned char>(bits[i / 8])} >> (i % 8) & 1u) != 0;
  return flags;
}

Frame frame_of_choice(ChooseFiles const& message) {
  return {{"t", "choose"},
          {"job", message.job},
          {"files", message.wanted.size()},
          {"wanted", bytes_value(bits_of(message.wanted))}};
}

Result<ToWorker> choice_from(Frame const& frame) {
  Error const wrong{Code::malformed, "a worker's message is malformed: a choice of files", {}, {}};
  if (frame.size() != 4) return wrong;
  IMPOUND_TRY(job, frame_text(frame, "job"));
  IMPOUND_TRY(files, frame_number(frame, "files"));
  IMPOUND_TRY(bits, frame_bytes(frame, "wanted"));
  if (files / 8 > bits.size() || bits.size() != (files + 7) / 8) return wrong;
  ChooseFiles message{std::move(job), flags_of(bits)};
  for (std::size_t i = files; i < message.wanted.size(); ++i)
    if (message.wanted[i]) return wrong;
  message.wanted.resize(files);
  return ToWorker{std::move(message)};
}

}  // namespace impound::fetchers
