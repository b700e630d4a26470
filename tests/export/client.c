/* Embeds texts or files with an exported model, without Python or Keras.

   client MODEL INPUT OUTPUT FILE...
   loads the SavedModel MODEL with the tag "serve", feeds the content of each
   FILE as one string of a batch to the tensor INPUT, and prints one line of
   numbers, a row of the tensor OUTPUT, per file. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

static void check(const TF_Status *status) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s\n", TF_Message(status));
  exit(1);
}

static TF_Output find(TF_Graph *graph, const char *name) {
  char operation[256];
  int index = 0;
  if (sscanf(name, "%255[^:]:%d", operation, &index) < 1) exit(2);
  TF_Output output = {TF_GraphOperationByName(graph, operation), index};
  if (output.oper == NULL) {
    fprintf(stderr, "The model has no tensor %s\n", name);
    exit(2);
  }
  return output;
}

static void read_file(const char *path, TF_TString *string) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) exit(3);
  fseek(file, 0, SEEK_END);
  size_t size = (size_t)ftell(file);
  rewind(file);
  char *content = malloc(size + 1);
  if (fread(content, 1, size, file) != size) exit(3);
  TF_StringInit(string);
  TF_StringCopy(string, content, size);
  free(content);
  fclose(file);
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tag = "serve";
  TF_Session *session = TF_LoadSessionFromSavedModel(
      options, NULL, argv[1], &tag, 1, graph, NULL, status);
  check(status);

  int64_t batch = argc - 4;
  TF_Tensor *input = TF_AllocateTensor(TF_STRING, &batch, 1,
                                       (size_t)batch * sizeof(TF_TString));
  TF_TString *strings = TF_TensorData(input);
  for (int64_t i = 0; i < batch; ++i) read_file(argv[4 + i], &strings[i]);

  TF_Output feed = find(graph, argv[2]), fetch = find(graph, argv[3]);
  TF_Tensor *output = NULL;
  TF_SessionRun(session, NULL, &feed, &input, 1, &fetch, &output, 1, NULL, 0,
                NULL, status);
  check(status);

  const float *values = TF_TensorData(output);
  int64_t dim = TF_Dim(output, 1);
  for (int64_t i = 0; i < batch * dim; ++i)
    printf("%.9g%c", values[i], (i + 1) % dim ? ' ' : '\n');

  for (int64_t i = 0; i < batch; ++i) TF_StringDealloc(&strings[i]);
  TF_DeleteTensor(input);
  TF_DeleteTensor(output);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
