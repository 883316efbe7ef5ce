using Llama.Model.Checkpoints;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;
using Llama.Torch.Forward;

namespace Llama.Torch.Tests;

/// <summary>Logits against those of an independent implementation, as a share of their spread.</summary>
public sealed class GoldenTests
{
    public static TheoryData<string> Checkpoints() => GoldenResults.Checkpoints();

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Compute_Fixture_GivesTheGoldenLogits(string name)
    {
        GoldenResults golden = Read(name);
        foreach (ILayerOperations operations in TestPlace.Operations)
        {
            using var runner = new TorchRunner(GoldenResults.Folder(name), ElementType.F32, ElementType.F32, operations);
            Assert.InRange(Error(golden, runner.Logits(golden.Tokens, 7)), 0, 1e-5);
        }
    }

    /// <summary>
    /// Weights that are stored in single precision make another model when they are rounded: what is computed from it is compared with what the
    /// processor's kernels compute from it, which multiply it with inputs in single precision.
    /// </summary>
    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Compute_FixtureInBF16_IsNearTheGoldenLogits(string name)
    {
        string folder = GoldenResults.Folder(name);
        GoldenResults golden = Read(name);
        using var rounded = new ForwardRunner(folder, [0, ForwardRunner.LayersOf(folder)], options: new CheckpointOptions { Weights = ElementType.BF16 });
        if (IsStoredInF32(folder)) golden = golden with { Logits = rounded.Logits(golden.Tokens, 32) };
        foreach (ElementType kvType in (ElementType[])[ElementType.F16, ElementType.BF16])
        {
            using var runner = new TorchRunner(folder, ElementType.BF16, kvType, TestPlace.Scripted);
            Assert.InRange(Error(golden, runner.Logits(golden.Tokens, 32)), 0, 2e-2);
        }
    }

    private static bool IsStoredInF32(string folder)
    {
        using Checkpoint checkpoint = Checkpoint.Open(folder, new CheckpointOptions());
        return checkpoint.WeightType == ElementType.F32;
    }

    private static GoldenResults Read(string name) =>
        GoldenResults.Read(Path.Combine(Path.GetDirectoryName(GoldenResults.Folder(name))!, "golden.json"));

    private static double Error(GoldenResults golden, float[][] logits)
    {
        double spread = golden.Logits.Max(row => row.Max()) - golden.Logits.Min(row => row.Min());
        return golden.Logits.Zip(logits, (expected, found) => expected.Zip(found, (e, f) => Math.Abs(e - f)).Max()).Max() / spread;
    }
}
