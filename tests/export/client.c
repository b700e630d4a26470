/* Runs signatures of an exported model, without Python or Keras.

   client MODEL
   loads the SavedModel MODEL with the tag "serve", prints "loaded SECONDS" and
   does what the lines of its standard input say:
     feed TENSOR DTYPE RANK SIZE... FILE   the value of an input (a number of
                                           enum TF_DataType)
     fetch TENSOR FILE                     where an output goes
     run COUNT                             prints "ran" and the milliseconds of
                                           each run, or "failed MESSAGE"
     memory                                prints KiB: resident now, at most
   After "run" there are no feeds and fetches. A file holds the elements in
   their order: numbers as in memory, a string as its length (uint64) and its
   bytes; that of an output begins with the line "DTYPE RANK SIZE...". */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

enum { MOST = 32 };

static void stop(const char *message, const char *what) {
  fprintf(stderr, "%s: %s\n", message, what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

static TF_Output find(TF_Graph *graph, const char *name) {
  char operation[512];
  int index = 0;
  if (sscanf(name, "%511[^:]:%d", operation, &index) < 1) stop("no name", name);
  TF_Output output = {TF_GraphOperationByName(graph, operation), index};
  if (output.oper == NULL) stop("the model has no tensor", name);
  return output;
}

static void fill(void *data, size_t size, FILE *file) {
  if (fread(data, 1, size, file) != size) stop("file", "too short");
}

static TF_Tensor *read_tensor(void) {
  char path[4096];
  int type, rank;
  int64_t sizes[8], count = 1;
  if (scanf("%d %d", &type, &rank) != 2 || rank > 8) stop("feed", "no type");
  for (int i = 0; i < rank; ++i) {
    if (scanf("%" SCNd64, &sizes[i]) != 1) stop("feed", "no shape");
    count *= sizes[i];
  }
  if (scanf(" %4095[^\n]", path) != 1) stop("feed", "no file");
  FILE *file = fopen(path, "rb");
  if (file == NULL) stop("no file", path);
  size_t element =
      type == TF_STRING ? sizeof(TF_TString) : TF_DataTypeSize(type);
  TF_Tensor *tensor = TF_AllocateTensor(type, sizes, rank, count * element);
  TF_TString *strings = TF_TensorData(tensor);
  if (type != TF_STRING) fill(TF_TensorData(tensor), count * element, file);
  for (int64_t i = 0; type == TF_STRING && i < count; ++i) {
    uint64_t length;
    fill(&length, sizeof length, file);
    TF_StringInit(&strings[i]);
    fill(TF_TString_ResizeUninitialized(&strings[i], length), length, file);
  }
  fclose(file);
  return tensor;
}

static void write_tensor(const TF_Tensor *tensor, const char *path) {
  FILE *file = fopen(path, "wb");
  if (file == NULL) stop("no file", path);
  fprintf(file, "%d %d", TF_TensorType(tensor), TF_NumDims(tensor));
  for (int i = 0; i < TF_NumDims(tensor); ++i)
    fprintf(file, " %" PRId64, TF_Dim(tensor, i));
  fputc('\n', file);
  if (TF_TensorType(tensor) != TF_STRING) {
    fwrite(TF_TensorData(tensor), 1, TF_TensorByteSize(tensor), file);
  } else {
    const TF_TString *strings = TF_TensorData(tensor);
    for (int64_t i = 0; i < TF_TensorElementCount(tensor); ++i) {
      uint64_t length = TF_StringGetSize(&strings[i]);
      fwrite(&length, sizeof length, 1, file);
      fwrite(TF_StringGetDataPointer(&strings[i]), 1, length, file);
    }
  }
  fclose(file);
}

static void print_memory(void) {
  char line[256];
  long now = 0, most = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file != NULL && fgets(line, sizeof line, file)) {
    sscanf(line, "VmRSS: %ld", &now);
    sscanf(line, "VmHWM: %ld", &most);
  }
  if (file != NULL) fclose(file);
  printf("memory %ld %ld\n", now, most);
}

static void clear(TF_Tensor **tensors, int count) {
  for (int i = 0; i < count; ++i) {
    if (tensors[i] == NULL) continue;
    /* Strings that the program wrote; those of outputs go with theirs. */
    if (TF_TensorType(tensors[i]) == TF_STRING) {
      TF_TString *strings = TF_TensorData(tensors[i]);
      for (int64_t j = 0; j < TF_TensorElementCount(tensors[i]); ++j)
        TF_StringDealloc(&strings[j]);
    }
    TF_DeleteTensor(tensors[i]);
    tensors[i] = NULL;
  }
}

int main(int argc, char **argv) {
  if (argc != 2) stop("client MODEL", "one argument");
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tag = "serve";
  double start = now();
  TF_Session *session = TF_LoadSessionFromSavedModel(
      options, NULL, argv[1], &tag, 1, graph, NULL, status);
  if (TF_GetCode(status) != TF_OK) stop("load", TF_Message(status));
  printf("loaded %.3f\n", now() - start);

  TF_Output feeds[MOST], fetches[MOST];
  TF_Tensor *inputs[MOST] = {0}, *outputs[MOST] = {0};
  static char command[16], name[512], files[MOST][4096];
  int num_inputs = 0, num_outputs = 0;
  while (fflush(stdout), scanf("%15s", command) == 1) {
    if (!strcmp(command, "memory")) {
      print_memory();
    } else if (!strcmp(command, "feed") && num_inputs < MOST) {
      if (scanf("%511s", name) != 1) stop("feed", "no name");
      feeds[num_inputs] = find(graph, name);
      inputs[num_inputs++] = read_tensor();
    } else if (!strcmp(command, "fetch") && num_outputs < MOST) {
      if (scanf("%511s %4095[^\n]", name, files[num_outputs]) != 2)
        stop("fetch", "no file");
      fetches[num_outputs++] = find(graph, name);
    } else if (!strcmp(command, "run")) {
      int count = 0;
      if (scanf("%d", &count) != 1) stop("run", "no count");
      double *times = malloc(count * sizeof *times);
      for (int i = 0; i < count; ++i) {
        for (int j = 0; j < num_outputs; ++j)
          if (outputs[j] != NULL) TF_DeleteTensor(outputs[j]);
        memset(outputs, 0, sizeof outputs);
        start = now();
        TF_SessionRun(session, NULL, feeds, inputs, num_inputs, fetches,
                      outputs, num_outputs, NULL, 0, NULL, status);
        times[i] = 1e3 * (now() - start);
        if (TF_GetCode(status) != TF_OK) break;
      }
      if (TF_GetCode(status) != TF_OK) {
        char *message = strdup(TF_Message(status));
        for (char *c = message; *c; ++c)
          if (*c == '\n') *c = ' ';
        printf("failed %s\n", message);
        free(message);
      } else {
        printf("ran");
        for (int i = 0; i < count; ++i) printf(" %.4f", times[i]);
        printf("\n");
        for (int j = 0; j < num_outputs; ++j)
          write_tensor(outputs[j], files[j]);
      }
      free(times);
      clear(inputs, num_inputs);
      for (int j = 0; j < num_outputs; ++j)
        if (outputs[j] != NULL) TF_DeleteTensor(outputs[j]);
      memset(outputs, 0, sizeof outputs);
      num_inputs = num_outputs = 0;
    } else {
      stop("no command", command);
    }
  }
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
