using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;

namespace Llama.Torch.Tests;

public sealed class TorchLayerRangeTests : LayerRangeContract
{
    /// <inheritdoc/>
    protected override double Error => 0.02;

    protected override ILayerRange Load(Checkpoint checkpoint, int firstLayer, int endLayer, int kvBlocks, IReadOnlyList<int> logs) =>
        TorchLayerRange.Load(checkpoint, TestPlace.With(TestPlace.Scripted), firstLayer, endLayer, ElementType.F32, kvBlocks, logs);
}

public sealed class TorchSameStepsLayerRangeTests : LayerRangeContract
{
    /// <inheritdoc/>
    protected override double Error => 0.02;

    protected override ILayerRange Load(Checkpoint checkpoint, int firstLayer, int endLayer, int kvBlocks, IReadOnlyList<int> logs) =>
        TorchLayerRange.Load(
            checkpoint, TestPlace.With(TestPlace.Scripted, repeatsShapes: true), firstLayer, endLayer, ElementType.F32, kvBlocks, logs);
}
