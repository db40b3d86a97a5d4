// A file's name for a tensor's: tensor names come from anywhere, and are no paths.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_FORMATS_TENSOR_FILE_NAME_H_
#define WEIGHTINIT_CLIENT_FORMATS_TENSOR_FILE_NAME_H_

#include <string>
#include <string_view>

namespace weightinit::client {

// The name with every byte but letters, digits, '_', '-' and '.' (not at the beginning) as %XX,
// then `extension`. Different names give different files. What would be longer than file systems
// take is cut, with 16 hexadecimal digits of its hash. "" is "%".
std::string TensorFileName(std::string_view tensor, std::string_view extension);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_TENSOR_FILE_NAME_H_
