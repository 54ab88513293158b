#include <doctest/doctest.h>

#include <string>

#include "evidence/formats/base64.h"
#include "evidence/formats/hex.h"
#include "evidence/formats/signed_note.h"

namespace impound {
namespace {

// A log's key (seed 32 × 07) and its checkpoint with a cosignature of a witness, made by another program.
constexpr char const* vkey = "agent.example/evidence+e2dd5fc7+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
constexpr char const* note_text = "agent.example/evidence\n7\neOZoE4cGSJOcG6Ij8We/GvkWrlKQZ7AD4lexhsOivis=\n";
constexpr char const* log_line =
    "— agent.example/evidence "
    "4t1fx6TqDDBJQzHsR3o8mPrgwzygV0dE1ZtfrbVcqMnQK2+0Qjux2ZS0BEWiKkFKdbEQRku4Xjwt4nVbrWE2QGlMrwY=\n";
constexpr char const* witness_line =
    "— witness.example/w1 "
    "JLXZ/gAAAABlU/EHoteuq323KG1IZm3o1WUJClUNJj1+cl4oittnJZVnB12nCslLQis2kWzsITPPAwABl+bTTKNwKVDY1qNVph47DQ==\n";

std::string whole() { return std::string(note_text) + "\n" + log_line + witness_line; }

bool accepted(std::string const& bytes) {
  NoteKey const key = NoteKey::from_vkey(vkey).value();
  auto note = parse_note(bytes);
  return note && verify_note(note.value(), std::span{&key, 1});
}

TEST_CASE("signed note: a note of another program verifies, the unknown witness is ignored") {
  auto const note = parse_note(whole()).value();
  CHECK(note.text == note_text);
  CHECK(note.signatures.size() == 2);
  CHECK(note.signatures[1].bytes.size() == 72);
  NoteKey const key = NoteKey::from_vkey(vkey).value();
  CHECK(key.vkey() == vkey);
  CHECK(hex(key.id()) == "e2dd5fc7");
  CHECK(verify_note(note, std::span{&key, 1}).value() == 1);
  CHECK(verify_note(note, {}).error().code == Code::refused);
}

TEST_CASE("signed note: the text may hold blank lines, the last one divides") {
  CHECK(parse_note("a\n\nb\n\n" + std::string(log_line)).value().text == "a\n\nb\n");
}

TEST_CASE("signed note: a known key that fails rejects the note, whoever else signed") {
  std::string altered = log_line;
  altered[40] = altered[40] == 'A' ? 'B' : 'A';
  CHECK_FALSE(accepted(std::string(note_text) + "\n" + altered));
  CHECK_FALSE(accepted(std::string(note_text) + "\n" + log_line + altered));
  CHECK(accepted(std::string(note_text) + "\n" + log_line + log_line));
}

TEST_CASE("signed note: each single-bit change of text or signature is refused") {
  std::string const good = std::string(note_text) + "\n" + log_line;
  CHECK(accepted(good));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string changed = good;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    CAPTURE(bit);
    CHECK_FALSE(accepted(changed));
  }
}

TEST_CASE("signed note: what is no note") {
  std::string const line = log_line;
  std::string many = "t\n\n";
  for (int i = 0; i < 101; ++i) many += line;
  for (std::string const& bad :
       {std::string(), std::string("\n"), std::string("\n\n"), std::string("t\n\n"), std::string("t\n") + line,
        "t\n\n" + line.substr(0, line.size() - 1), "t\n\n-" + line.substr(3), std::string("t\n\n— name\n"),
        std::string("t\n\n— name !!!!\n"), std::string("t\n\n— name AAAA\n"), std::string("t\n\n— na+me AAAAAAAA\n"),
        std::string("t\n\n—  AAAAAAAA\n"), "t\r\n\n" + line, "t\x7f\n\n" + line, "\xff\n\n" + line, many,
        std::string("t\n\n— na\xc2\xa0me AAAAAAAA\n"), std::string(1'000'001, 'x')})
    CHECK(parse_note(bad).error().code == Code::malformed);
  CHECK(parse_note("\n\n" + line).value().text == "\n");
}

TEST_CASE("signed note: what is no vkey") {
  for (char const* bad :
       {"", "a", "a+b", "+e2dd5fc7+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        "agent.example/evidencf+e2dd5fc7+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        "agent.example/evidence+e2dd5fc8+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        "agent.example/evidence+E2DD5FC7+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        "agent.example/evidence+e2dd5fc7+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIt",
        "witness.example/w1+24b5d9fe+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY", "a+e2dd5fc7+AQ==", "a+e2dd5fc7+"}) {
    CAPTURE(std::string(bad));
    CHECK(NoteKey::from_vkey(bad).error().code == Code::malformed);
  }
}

}  // namespace
}  // namespace impound
