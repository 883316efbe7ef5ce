using Llama.Grains.Directory;
using Llama.Grains.Placement;

namespace Llama.Grains.Gateway;

/// <summary>A stage of a planned pipeline.</summary>
/// <param name="Member">The silo.</param>
/// <param name="Span">Its layers.</param>
internal sealed record PlannedStage(Member Member, LayerSpan Span);

/// <summary>The stages of a pipeline and what they have in common.</summary>
/// <param name="Stages">The stages, first layers first.</param>
/// <param name="KvBlocks">Blocks in every stage's KV pool.</param>
/// <param name="SlowestLayer">What to expect of the layer that takes the longest.</param>
internal sealed record PipelinePlan(IReadOnlyList<PlannedStage> Stages, int KvBlocks, LayerTime SlowestLayer);

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
