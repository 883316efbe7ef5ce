// A test starts processes and mostly waits for them, so two classes run at a time; those of TimedTests run alone, after all others.
[assembly: CollectionBehavior(MaxParallelThreads = 2)]
