using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;

namespace Llama.Torch.Tests;

public sealed class TorchLayerRangeTests : LayerRangeContract
{
    protected override ILayerRange Load(Checkpoint checkpoint, int firstLayer, int endLayer, int kvBlocks, IReadOnlyList<int> logs) =>
        TorchLayerRange.Load(checkpoint, TestPlace.With(TestPlace.Scripted), firstLayer, endLayer, ElementType.F32, kvBlocks, logs);
}

public sealed class TorchSameStepsLayerRangeTests : LayerRangeContract
{
    protected override ILayerRange Load(Checkpoint checkpoint, int firstLayer, int endLayer, int kvBlocks, IReadOnlyList<int> logs) =>
        TorchLayerRange.Load(
            checkpoint, TestPlace.With(TestPlace.Scripted, repeatsShapes: true), firstLayer, endLayer, ElementType.F32, kvBlocks, logs);
}
