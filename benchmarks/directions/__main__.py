from benchmarks.directions import runner

runner.main()
