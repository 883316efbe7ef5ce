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

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Compute_FixtureInBF16_IsNearTheGoldenLogits(string name)
    {
        // Weights stored in single precision are rounded in addition.
        double most = name == "llama-3.1-short/hf" ? 3e-2 : 2e-2;
        GoldenResults golden = Read(name);
        using var runner = new TorchRunner(GoldenResults.Folder(name), ElementType.BF16, ElementType.F16, TestPlace.Scripted);
        Assert.InRange(Error(golden, runner.Logits(golden.Tokens, 32)), 0, most);
    }

    private static GoldenResults Read(string name) =>
        GoldenResults.Read(Path.Combine(Path.GetDirectoryName(GoldenResults.Folder(name))!, "golden.json"));

    private static double Error(GoldenResults golden, float[][] logits)
    {
        double spread = golden.Logits.Max(row => row.Max()) - golden.Logits.Min(row => row.Min());
        return golden.Logits.Zip(logits, (expected, found) => expected.Zip(found, (e, f) => Math.Abs(e - f)).Max()).Max() / spread;
    }
}
