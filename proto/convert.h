// Everything that stands between the API's messages and the library's types.
//
//   convert_recipe.h   requests: recipes, tensors, initializers, slices, selections
//   convert_plan.h     answers: plans, headers, trailers, summaries
//   convert_status.h   errors, both ways
//   reject_unknown.h   what an older server must refuse to read
//
// Server and client both use it and neither repeats any of it. The library alone decides what is in
// range; conversion refuses only what has no counterpart there.
#ifndef WEIGHTINIT_PROTO_CONVERT_H_
#define WEIGHTINIT_PROTO_CONVERT_H_

#include "proto/convert_plan.h"
#include "proto/convert_recipe.h"
#include "proto/convert_status.h"
#include "proto/reject_unknown.h"

#endif  // WEIGHTINIT_PROTO_CONVERT_H_
