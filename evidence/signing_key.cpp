#include "evidence/signing_key.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <utility>

#include "evidence/formats/hex.h"
#include "evidence/values/must.h"

namespace impound::evidence {

namespace {

constexpr std::size_t key_file_bytes_max = 8 * 1024 - 1;  // read into one piece of secret memory
constexpr std::string_view encrypted_label = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

// scrypt as OWASP's password storage sheet has it for 16 MiB; OpenSSL 3.0 reads no more than 32 MiB. About 0.2 s.
constexpr std::uint64_t scrypt_n = 1 << 14;
constexpr std::uint64_t scrypt_r = 8;
constexpr std::uint64_t scrypt_p = 5;
constexpr std::size_t salt_bytes = 16;
constexpr std::size_t aes_block_bytes = 16;

constexpr auto pkcs8_head = [] {
  constexpr unsigned char head[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                    0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
  std::array<std::byte, std::size(head)> bytes{};
  std::transform(std::begin(head), std::end(head), bytes.begin(), [](unsigned char byte) { return std::byte{byte}; });
  return bytes;
}();

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using KeyPart = std::unique_ptr<PKCS8_PRIV_KEY_INFO, decltype(&PKCS8_PRIV_KEY_INFO_free)>;
using Sealed = std::unique_ptr<X509_SIG, decltype(&X509_SIG_free)>;

/// OpenSSL would ask on the terminal for the passphrase of an encrypted key; a service has none.
int hand_over(char* into, int size, int, void* passphrase) {
  if (passphrase == nullptr) return -1;
  std::string_view const text = static_cast<SecretText const*>(passphrase)->text();
  if (size < 0 || text.size() > static_cast<std::size_t>(size)) return -1;
  std::copy(text.begin(), text.end(), into);
  return static_cast<int>(text.size());
}

/// PBES2 with scrypt and AES-256-CBC (RFC 8018, RFC 7914): what `openssl pkcs8 -scrypt` writes. Null when OpenSSL
/// refuses.
Sealed sealed(PKCS8_PRIV_KEY_INFO& key, Randomness& randomness, SecretText const& passphrase) {
  std::array<std::byte, salt_bytes> salt{};
  std::array<std::byte, aes_block_bytes> iv{};
  randomness.fill(salt);
  randomness.fill(iv);
  Sealed result{nullptr, X509_SIG_free};
  X509_ALGOR* const how = PKCS5_pbe2_set_scrypt(
      EVP_aes_256_cbc(), reinterpret_cast<unsigned char*>(salt.data()), static_cast<int>(salt.size()),
      reinterpret_cast<unsigned char*>(iv.data()), scrypt_n, scrypt_r, scrypt_p);
  if (how == nullptr) return result;
  std::string_view const text = passphrase.text();
  result.reset(PKCS8_set0_pbe(text.data(), static_cast<int>(text.size()), &key, how));  // owns `how` when it succeeds
  if (!result) X509_ALGOR_free(how);
  return result;
}

/// The key as PEM; empty when OpenSSL refuses.
SecretText pem_of(EVP_PKEY* key, Randomness& randomness, SecretText const* passphrase) {
  Bio const memory{BIO_new(BIO_s_secmem()), BIO_free};
  KeyPart const part{EVP_PKEY2PKCS8(key), PKCS8_PRIV_KEY_INFO_free};
  if (!memory || !part) return {};
  bool written = false;
  if (passphrase != nullptr) {
    Sealed const closed = sealed(*part, randomness, *passphrase);
    written = closed && PEM_write_bio_PKCS8(memory.get(), closed.get()) == 1;
  } else {
    written = PEM_write_bio_PKCS8_PRIV_KEY_INFO(memory.get(), part.get()) == 1;
  }
  char* begin = nullptr;
  long const length = written ? BIO_get_mem_data(memory.get(), &begin) : 0;
  return length > 0 ? SecretText(std::string_view(begin, static_cast<std::size_t>(length))) : SecretText();
}

}  // namespace

struct SigningKey::Key {
  EVP_PKEY* pkey;
  explicit Key(EVP_PKEY* key) : pkey(key) {}
  Key(Key const&) = delete;
  Key& operator=(Key const&) = delete;
  ~Key() { EVP_PKEY_free(pkey); }
};

SigningKey::SigningKey(std::unique_ptr<Key> key) : key_(std::move(key)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

Result<void> check_secret_file(Disk& folder, std::string_view path, SecretFileRule const& rule, char const* what) {
  auto const refused = [&](std::string why, std::string hint) {
    return Error{Code::refused, std::move(why), std::string(path), std::move(hint)};
  };
  std::string const name = what;
  IMPOUND_TRY(facts, folder.facts_of(path));
  if (facts.type != FileFacts::Type::file) return refused("the " + name + " is not a regular file", {});
  if (rule.owner && facts.owner != *rule.owner)
    return refused("the " + name + " is the file of another user, uid " + std::to_string(facts.owner),
                   "Run: chown on the file, so that it is who impound runs as.");
  std::uint32_t const barred = rule.credential ? 0037 : 0077;
  if ((facts.mode & barred) != 0)
    return refused("others may read or change the " + name, "Run: chmod 600 on the file.");
  return ok();
}

SigningKey SigningKey::make(Randomness& randomness) {
  SecretText seed(32);
  randomness.fill(std::as_writable_bytes(seed.bytes()));
  return from_seed(bytes_of(seed.text()));
}

Result<void> SigningKey::write_new(Disk& folder, std::string_view path, Randomness& randomness,
                                   SecretText const* passphrase) const {
  SecretText const pem = pem_of(key_->pkey, randomness, passphrase);
  if (pem.text().empty()) return Error{Code::io, "OpenSSL could not write the key", std::string(path), {}};
  // Exclusive, not by a draft and a rename: a half-written key is of no use, a replaced one is a disaster.
  IMPOUND_TRY(file, DiskFile::open(folder, path, Open::create));
  IMPOUND_CHECK(file.set_mode(0600));
  IMPOUND_CHECK(file.write(0, bytes_of(pem.text())));
  IMPOUND_CHECK(file.sync());
  return folder.sync_folder(folder_of(path));
}

Result<SigningKey> SigningKey::load(Disk& folder, std::string_view path, SecretFileRule const& rule,
                                    SecretText const* passphrase) {
  auto const wrong = [&](Code code, std::string what, std::string hint) {
    return Error{code, std::move(what), std::string(path), std::move(hint)};
  };
  IMPOUND_CHECK(check_secret_file(folder, path, rule, "signing key"));
  IMPOUND_TRY(pem, read_secret(folder, path, key_file_bytes_max));
  bool const encrypted = pem.text().find(encrypted_label) != std::string_view::npos;
  if (encrypted && passphrase == nullptr)
    return wrong(Code::usage, "the signing key is encrypted, and no passphrase is named",
                 "Name its file: [vault] passphrase_file, or the systemd credential impound-passphrase.");
  prepare_secret_memory();
  Bio const memory{BIO_new_mem_buf(pem.text().data(), static_cast<int>(pem.text().size())), BIO_free};
  auto key = std::make_unique<Key>(
      memory ? PEM_read_bio_PrivateKey(memory.get(), nullptr, hand_over, const_cast<SecretText*>(passphrase))
             : nullptr);
  ERR_clear_error();
  if (key->pkey == nullptr && encrypted)
    return wrong(Code::refused, "the passphrase does not open the signing key", "Is it the one of this key's file?");
  if (key->pkey == nullptr)
    return wrong(Code::refused, "the signing key cannot be read", "It must be a PKCS#8 PEM file.");
  if (EVP_PKEY_get_id(key->pkey) != EVP_PKEY_ED25519)
    return wrong(Code::refused, "the signing key is not an Ed25519 key", {});
  return SigningKey(std::move(key));
}

SigningKey SigningKey::from_seed(Bytes seed) {
  must(seed.size() == 32);
  prepare_secret_memory();
  // As PKCS#8 (RFC 8410 §7): what OpenSSL decodes it keeps on the secure heap, a raw key it copies to the plain one.
  SecretText pkcs8(pkcs8_head.size() + seed.size());
  auto const into = std::as_writable_bytes(pkcs8.bytes());
  std::copy(seed.begin(), seed.end(), std::copy(pkcs8_head.begin(), pkcs8_head.end(), into.begin()));
  auto const* bytes = reinterpret_cast<unsigned char const*>(pkcs8.text().data());
  auto key = std::make_unique<Key>(d2i_AutoPrivateKey(nullptr, &bytes, static_cast<long>(pkcs8.text().size())));
  must(key->pkey != nullptr);
  return SigningKey(std::move(key));
}

NoteKey SigningKey::public_key(std::string_view name) const {
  NoteKey key;
  key.name = std::string(name);
  std::size_t size = key.key.bytes.size();
  must(EVP_PKEY_get_raw_public_key(key_->pkey, reinterpret_cast<unsigned char*>(key.key.bytes.data()), &size) == 1);
  must(size == key.key.bytes.size());
  return key;
}

Ed25519Signature SigningKey::sign(Bytes message) const {
  Ed25519Signature signature;
  std::size_t size = signature.bytes.size();
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
  must(context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_->pkey) == 1);
  must(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.bytes.data()), &size,
                      reinterpret_cast<unsigned char const*>(message.data()), message.size()) == 1);
  must(size == signature.bytes.size());
  return signature;
}

std::string SigningKey::sign_note(std::string_view name, std::string_view text) const {
  return std::string(text) + "\n" + signature_line(public_key(name), sign(bytes_of(text)));
}

}  // namespace impound::evidence
