using Llama.Grains.Generation;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Model;
using Llama.Model.Layers;

namespace Llama.Bench.Simulate;

/// <summary>What explorations met with.</summary>
/// <param name="Completed">Requests that got all their tokens.</param>
/// <param name="Cancelled">Requests whose clients went away.</param>
/// <param name="Refused">Requests that were refused, or ended at their deadline or without a pipeline.</param>
/// <param name="Preemptions">Times that a sequence lost its blocks to another.</param>
/// <param name="Losses">Pipelines that were lost.</param>
/// <param name="Repartitions">Pipelines after a loss whose layers were repartitioned, and went on with what was left.</param>
/// <param name="Rebuilt">Positions that only the lost layers computed again.</param>
/// <param name="CachedTokens">Prompt tokens that were not computed.</param>
/// <param name="Copies">Blocks that were copied.</param>
/// <param name="Steps">Steps that were computed.</param>
internal sealed record ExplorationResult(
    int Completed, int Cancelled, int Refused, long Preemptions, int Losses, int Repartitions, long Rebuilt, long CachedTokens, long Copies,
    long Steps)
{
    /// <summary>What two explorations met with.</summary>
    public static ExplorationResult operator +(ExplorationResult a, ExplorationResult b) => new(
        a.Completed + b.Completed, a.Cancelled + b.Cancelled, a.Refused + b.Refused, a.Preemptions + b.Preemptions,
        a.Losses + b.Losses, a.Repartitions + b.Repartitions, a.Rebuilt + b.Rebuilt, a.CachedTokens + b.CachedTokens, a.Copies + b.Copies,
        a.Steps + b.Steps);
}

/// <summary>
/// A small world of random clients that come together, have prompts in common, go away, are preempted, miss deadlines and lose their
/// pipelines, with stages that stall; in half of the worlds bits depend on the shapes of steps. After every few events the engine's records are checked, and every client must get exactly the
/// tokens that it gets alone. The same seed does the same.
/// </summary>
internal sealed class Exploration
{
    private const int EventsBetweenChecks = 16;
    private const int LongestSequence = 200;
    private const long Millisecond = 1_000_000;

    private static readonly StageTimes Times = new(WeightsSeconds: 0.008, TokenSeconds: 0.0004, LinkSeconds: 0.0001);

    private readonly Random random;
    private readonly VirtualTime time = new();
    private readonly ModelConfig config = SimulatedModel.Config(SimulatedMemory.VocabSize) with { EndTokens = [0] };
    private readonly Scheduler scheduler;
    private readonly List<ExplorationClient> clients = [];
    private readonly PriorityQueue<ExplorationClient, long> leaving = new();
    private readonly List<int[]> prefixes = [];
    private SimulatedPipeline? pipeline;
    private readonly bool repeatsShapes;
    private SimulatedMemory memory = new(0, 0, false);
    private int layers;
    private int stages;
    private int blocks;
    private LayerSpan? lost;
    private ulong epoch;
    private long arrivals;
    private long attachAt;
    private ExplorationResult result = new(0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

    private Exploration(int seed)
    {
        random = new Random(seed);
        repeatsShapes = random.Next(2) == 0;
        scheduler = new Scheduler(
            config,
            new SchedulerLimits
            {
                MaxWaiting = random.Next(5, 60),
                MaxWaitingTokens = 4000,
                RecoveryTimeout = TimeSpan.FromSeconds(5),
                StepTokens = random.Next(3) switch { 0 => null, 1 => 16, _ => random.Next(16, 257) },
            },
            time);
        for (int i = 0; i < 6; i++) prefixes.Add(RandomTokens(random.Next(1, 120)));
    }

    /// <summary>Runs one world until so many requests have come and all have ended.</summary>
    /// <exception cref="InvalidDataException">The engine did something wrong; the message says what, and the seed repeats it.</exception>
    public static ExplorationResult Run(int seed, int arrivals)
    {
        var exploration = new Exploration(seed);
        try
        {
            exploration.Run(arrivals);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"Seed {seed}, after {exploration.result.Steps} steps: {e.Message}", e);
        }

        return exploration.result with { Preemptions = exploration.scheduler.Preemptions };
    }

    private void Run(int count)
    {
        long nextArrival = 0;
        for (int events = 1; arrivals < count || clients.Count > 0; events++)
        {
            long arrival = arrivals < count ? nextArrival : long.MaxValue;
            long completion = pipeline?.NextResultAt ?? long.MaxValue;
            long leave = leaving.TryPeek(out _, out long at) ? at : long.MaxValue;
            long attach = pipeline is null ? attachAt : long.MaxValue;
            long next = Math.Min(Math.Min(arrival, completion), Math.Min(leave, attach));
            if (next == long.MaxValue) throw new InvalidDataException($"{clients.Count} clients wait, and nothing happens any more.");
            time.Now = Math.Max(time.Now, next);
            if (next == completion) Complete();
            else if (next == attach) Attach();
            else if (next == leave) Leave(leaving.Dequeue());
            else nextArrival = Arrive();
            scheduler.Expire();
            Send();
            if (events % EventsBetweenChecks == 0 || scheduler.IsIdle) Check();
            clients.RemoveAll(Settle);
        }

        if (scheduler.RunningCount + scheduler.WaitingCount > 0) throw new InvalidDataException("Sequences are left.");
    }

    /// <summary>One or several requests, often with a common beginning, some of them wholly alike.</summary>
    private long Arrive()
    {
        // Some begin in the middle of another's, so that blocks with the same tokens follow different ones.
        int start = random.Next(4) == 0 ? 16 : 0;
        int[] prompt = [.. prefixes[random.Next(prefixes.Count)].Skip(start).Take(random.Next(200)), .. RandomTokens(random.Next(1, 40))];
        if (random.Next(50) == 0) prefixes[random.Next(prefixes.Count)] = RandomTokens(random.Next(1, 120));
        for (int choice = random.Next(8) == 0 ? random.Next(2, 7) : 1; choice > 0; choice--)
        {
            var request = new GenerationRequest
            {
                PromptTokens = prompt,
                MaxTokens = random.Next(4) == 0 ? LongestSequence - prompt.Length : random.Next(1, 40),
                Seed = (ulong)random.NextInt64(),
                IgnoreEndTokens = random.Next(2) == 0,
                Priority = random.Next(6) == 0 ? random.Next(-1, 2) : 0,
                Client = random.Next(3) == 0 ? null : $"client {random.Next(4)}",
                Timeout = random.Next(10) == 0 ? TimeSpan.FromMilliseconds(random.Next(1, 3000)) : null,
            };
            var client = new ExplorationClient(request, SimulatedMemory.Alone(request, config.EndTokens), repeatsShapes);
            client.Sequence = new Sequence(request, ++arrivals, prompt.Length + request.MaxTokens!.Value, client);
            clients.Add(client);
            if (random.Next(8) == 0) leaving.Enqueue(client, time.Now + (random.Next(1500) * Millisecond));
            scheduler.Submit(client.Sequence);
        }

        return time.Now + (random.Next(4) > 0 ? random.Next(300) * Millisecond : 0);
    }

    private void Leave(ExplorationClient client)
    {
        if (client.Ended) return;
        client.Left = true;
        scheduler.Cancel(client.Sequence!);
    }

    /// <summary>
    /// The layers that were left go on with their blocks, now and then as other stages whose pools have another size; or all comes anew, as
    /// much as chance will have it. Every sequence fits the fewest blocks.
    /// </summary>
    private void Attach()
    {
        bool repartitions = random.Next(3) == 0;
        if (lost is null) layers = random.Next(1, 6);
        if (lost is null || repartitions) (stages, blocks) = (random.Next(1, layers + 1), random.Next((LongestSequence / 16) + 1, 60));
        HeldBlocks held = scheduler.Fit(blocks);
        if (lost is null) memory = new SimulatedMemory(blocks, layers, repeatsShapes);
        else if (held.Carried is { } carried) memory.Renumber(blocks, carried);
        if (lost is not null && repartitions) result = result with { Repartitions = result.Repartitions + 1 };
        pipeline = new SimulatedPipeline(Times, stages, time);
        scheduler.Attach(stages, blocks, SimulatedPipeline.MaxStepTokens, ++epoch, repeatsShapes, lost?.Hull(held.Unfinished), held.Carried);
    }

    private void Complete()
    {
        Step step = pipeline!.Take();
        if (scheduler.Complete(memory.Compute(step)) is { } fault) throw new InvalidDataException(fault);
        if (scheduler.TakeRecovery() is { } recovery) result = result with { Rebuilt = result.Rebuilt + recovery.Rebuilt };
        if (random.Next(1500) == 0) Lose();
    }

    /// <summary>All layers are lost, or one or two; the steps in flight have come to different ones.</summary>
    private void Lose()
    {
        lost = null;
        if (random.Next(3) > 0)
        {
            for (int reached = layers; pipeline!.NextResultAt is not null;)
            {
                reached = random.Next(reached + 1);
                memory.Compute(pipeline.Take(), reached);
            }

            int first = random.Next(layers);
            int end = random.Next(first, Math.Min(layers, first + 2) + 1);
            for (int layer = first; layer < end; layer++) memory.Lose(layer);

            // Where nobody keeps a log of what goes into the first, those before it compute, too.
            lost = end == first ? default(LayerSpan) : new LayerSpan(random.Next(3) == 0 ? 0 : first, end);
        }

        scheduler.Detach("A stage was lost.");
        pipeline = null;
        attachAt = time.Now + (random.Next(7000) * Millisecond);
        result = result with { Losses = result.Losses + 1 };
    }

    private void Send()
    {
        while (scheduler.NextStep() is { } step)
        {
            bool stalls = random.Next(200) == 0;
            pipeline!.Send(step, stalls ? random.Next(scheduler.Stages) : -1, random.Next(1000) * Millisecond);
            result = result with { Steps = result.Steps + 1, Copies = result.Copies + step.Copies.Length };
        }
    }

    private void Check()
    {
        if (scheduler.FindFault() is { } fault) throw new InvalidDataException(fault);
    }

    private bool Settle(ExplorationClient client)
    {
        if (!client.Ended) return false;
        result = client.Complete
            ? result with { Completed = result.Completed + 1, CachedTokens = result.CachedTokens + client.CachedTokens }
            : client.Left ? result with { Cancelled = result.Cancelled + 1 }
            : result with { Refused = result.Refused + 1 };
        return true;
    }

    private int[] RandomTokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(SimulatedMemory.VocabSize))];
}
