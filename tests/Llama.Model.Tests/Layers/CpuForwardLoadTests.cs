using System.Diagnostics;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Layers;

public sealed class CpuForwardLoadTests
{
    [Theory]
    [InlineData("tok_embeddings.weight")]
    [InlineData("layers.0.attention_norm.weight")]
    [InlineData("layers.3.ffn_norm.weight")]
    [InlineData("layers.2.feed_forward.w2.weight")]
    [InlineData("norm.weight")]
    [InlineData("output.weight")]
    public void Constructor_TensorMissing_NamesItAndLeavesNoThreads(string missing)
    {
        const int Threads = 20;
        using Checkpoint whole = Checkpoint.Open(Path.Combine(TestPaths.Fixtures, "llama-3", "hf"), new CheckpointOptions());
        using var checkpoint = new CheckpointWithout(whole, missing);
        using var process = Process.GetCurrentProcess();
        int before = process.Threads.Count;
        for (int i = 0; i < 10; i++)
        {
            CheckpointException fault = Assert.Throws<CheckpointException>(
                () => new CpuForward(checkpoint, 0, 4, ElementType.F32, 4, Threads));
            Assert.Contains(missing, fault.Message, StringComparison.Ordinal);
        }

        process.Refresh();
        Assert.InRange(process.Threads.Count - before, int.MinValue, 5 * Threads);
    }

    [Fact]
    public void Constructor_RangeInTheMiddle_OpensItsOwnTensorsOnly()
    {
        using Checkpoint whole = Checkpoint.Open(Path.Combine(TestPaths.Fixtures, "llama-3", "hf"), new CheckpointOptions());
        using var checkpoint = new CheckpointWithout(whole, "none");
        using var forward = new CpuForward(checkpoint, 1, 3, ElementType.F32, 4, 1);
        Assert.Equal(18, checkpoint.Opened.Count);
        Assert.All(checkpoint.Opened, name => Assert.Matches("^layers\\.[12]\\.", name));
        Assert.Null(forward.Head);
        Assert.Equal(2 * ((whole.Config.LayerElements * 2) + (whole.Config.Dim * 2 * 2)), forward.WeightBytes);
    }

    [Fact]
    public void StepBytes_WholeModel_AreThoseOfTheLayersAndTheHead()
    {
        using Checkpoint whole = Checkpoint.Open(Path.Combine(TestPaths.Fixtures, "llama-3", "hf"), new CheckpointOptions());
        ModelConfig config = whole.Config;
        using var forward = new CpuForward(whole, 0, config.Layers, ElementType.F32, 4, 1);
        long embeddings = 2L * config.VocabSize * config.Dim;
        Assert.Equal(forward.WeightBytes - embeddings, forward.StepBytes);
    }

    /// <summary>A checkpoint of which one tensor is missing.</summary>
    private sealed class CheckpointWithout : Checkpoint
    {
        private readonly Checkpoint whole;
        private readonly string missing;

        [System.Diagnostics.CodeAnalysis.SetsRequiredMembers]
        public CheckpointWithout(Checkpoint whole, string missing)
        {
            this.whole = whole;
            this.missing = missing;
            Path = whole.Path;
            Config = whole.Config;
            Assumptions = [];
        }

        public List<string> Opened { get; } = [];

        public override WeightMatrix OpenMatrix(string name, int rows, int columns) => whole.OpenMatrix(Present(name), rows, columns);

        internal override byte[] ReadRow(string name, int rows, int columns, int row) => whole.ReadRow(Present(name), rows, columns, row);

        internal override void Release(string name) => whole.Release(name);

        public override float[] ReadVector(string name, int length) => whole.ReadVector(Present(name), length);

        internal override bool MayHaveBias(string name) => whole.MayHaveBias(name);

        protected override void Dispose(bool disposing)
        {
        }

        private string Present(string name)
        {
            Opened.Add(name);
            return name == missing ? throw new CheckpointException($"tensor {name} is missing") : name;
        }
    }
}
