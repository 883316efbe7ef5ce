using Llama.Grains.Placement;
using Llama.Grains.Stages;
using Llama.Model.Kernels;

namespace Llama.Grains.Gateway;

/// <summary>A stage of a planned pipeline.</summary>
/// <param name="Member">The silo.</param>
/// <param name="Span">Its layers.</param>
/// <param name="Rates">How fast the plan takes it to be.</param>
/// <param name="Logs">Layers for which it keeps what goes into them, so that they can be rebuilt without the ones before.</param>
/// <param name="KeepsBlocks">Whether it had a place in the pipeline before, and is asked for the blocks that it has.</param>
internal sealed record PlannedStage(
    Member Member, LayerSpan Span, MachineRates Rates, IReadOnlyList<int> Logs, bool KeepsBlocks = false);

/// <summary>The stages of a pipeline and what they have in common.</summary>
/// <param name="Stages">The stages, first layers first.</param>
/// <param name="KvBlocks">Blocks in every stage's KV pool.</param>
/// <param name="SlowestLayer">What to expect of the layer that takes the longest.</param>
/// <param name="Inherits">What it goes on with; null for a pipeline that begins with empty blocks.</param>
/// <param name="BySteps">Whether its cut follows the times of stages that have worked.</param>
internal sealed record PipelinePlan(
    IReadOnlyList<PlannedStage> Stages, int KvBlocks, LayerTime SlowestLayer, PreviousPipeline? Inherits = null, bool BySteps = false)
{
    /// <summary>Which silo gets which layers, and had which before, for people.</summary>
    public string Text => string.Join(", ", Stages.Select(TextOf));

    private string TextOf(PlannedStage stage)
    {
        LayerSpan? before = stage.KeepsBlocks ? Inherits?.Plan.Stages.First(old => old.Member.Name == stage.Member.Name).Span : null;
        return $"{stage.Member.Name} {stage.Span.First}-{stage.Span.End}"
            + (before is not { } had ? "" : had == stage.Span ? " as before" : $" after {had.First}-{had.End}");
    }
}

/// <summary>What a lost pipeline leaves to the next.</summary>
/// <param name="Lineage">The epoch in which its blocks got their numbers.</param>
/// <param name="Plan">The lost pipeline.</param>
/// <param name="CompletedStep">The last step whose result came back: a stage that did not apply it has nothing to leave.</param>
/// <param name="Logs">
/// Layers whose logs are complete: there is all that went into them. A log that a stage began when it had the layer before already is not.
/// </param>
internal sealed record PreviousPipeline(ulong Lineage, PipelinePlan Plan, ulong CompletedStep, IReadOnlyList<int> Logs);

/// <summary>A prediction of the time that a layer takes, generous: weights may come from a disk, and a core may be slow.</summary>
/// <param name="Seconds">For reading its weights.</param>
/// <param name="SecondsAToken">For each token of the step.</param>
internal readonly record struct LayerTime(double Seconds, double SecondsAToken)
{
    private const double BytesASecond = 1e9;
    private const double ProductsASecond = 4e9;

    /// <summary>The prediction for a matrix.</summary>
    /// <param name="elements">Its elements.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="threads">Threads that multiply.</param>
    public static LayerTime Of(long elements, long bytes, int threads) =>
        new(bytes / BytesASecond, elements / (ProductsASecond * threads));
}

/// <summary>
/// A prediction of the times of a stage, from limits that no forward pass quite reaches: what counts is how the stages compare. The output
/// head is computed for tokens that are sampled; here every token of a prompt counts it.
/// </summary>
/// <param name="DecodeSeconds">For a token of one sequence: all weights are read.</param>
/// <param name="PromptTokenSeconds">For one more token of a prompt.</param>
internal readonly record struct StageTime(double DecodeSeconds, double PromptTokenSeconds)
{
    /// <summary>The prediction for matrices.</summary>
    /// <param name="elements">Their elements.</param>
    /// <param name="bytes">Their bytes.</param>
    /// <param name="rates">How fast the silo is.</param>
    public static StageTime Of(double elements, double bytes, MachineRates rates)
    {
        double multiplying = 2 * elements / rates.OperationsPerSecond;
        return new((bytes / rates.BytesPerSecond) + multiplying, multiplying);
    }
}

/// <summary>Bytes that a stage takes.</summary>
/// <param name="Weights">Its weights.</param>
/// <param name="Kv">Its KV blocks.</param>
/// <param name="Log">Its log of hidden states; 0 when it keeps none.</param>
/// <param name="Activations">Intermediate results of a step.</param>
internal readonly record struct StageNeeds(long Weights, long Kv, long Log, long Activations);
