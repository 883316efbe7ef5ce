using Llama.Model.Layers;

namespace Llama.Model.Tests.Layers;

public sealed unsafe class HiddenStateLogTests
{
    private const int Dim = 4;

    [Fact]
    public void Read_PositionsOfSeveralSequences_AreWhatWasWrittenForThem()
    {
        using var log = new HiddenStateLog(Dim, blocks: 6);
        var step = new Step();
        step.AddSequence(14, [1, 2, 3, 4], [5, 0]);
        step.AddSequence(0, [5], [2]);
        Write(log, step, 100);
        var other = new Step();
        other.AddSequence(1, [6], [2]);
        Write(log, other, 900);

        var again = new Step();
        again.AddSequence(0, [5, 6], [2]);
        again.AddSequence(15, [2, 3], [5, 0]);
        Assert.Equal([.. States(116), .. States(900), .. States(104), .. States(108)], Read(log, again));
    }

    [Fact]
    public void Copy_Blocks_TakesTheirHiddenStatesAlongBeforeTheStepsOwnAreWritten()
    {
        using var log = new HiddenStateLog(Dim, blocks: 4);
        var step = new Step();
        step.AddSequence(0, [1, 2], [0]);
        Write(log, step, 100);
        var next = new Step();
        next.AddCopy(0, 3);
        next.AddSequence(1, [9], [3]);
        log.Copy(next);
        Write(log, next, 500);

        var again = new Step();
        again.AddSequence(0, [1, 9], [3]);
        again.AddSequence(0, [1, 2], [0]);
        Assert.Equal([.. States(100), .. States(500), .. States(100), .. States(104)], Read(log, again));
    }

    [Fact]
    public void Repartition_OtherNumberOfBlocks_HasWhatGoesOnUnderTheNewNumbers()
    {
        var log = new HiddenStateLog(Dim, blocks: 4);
        var step = new Step();
        step.AddSequence(14, [1, 2, 3, 4], [3, 0]);
        Write(log, step, 100);
        using HiddenStateLog next = log.Repartition(2, [0, 3]);
        var again = new Step();
        again.AddSequence(14, [1, 2, 3, 4], [1, 0]);
        Assert.Equal([.. States(100), .. States(104), .. States(108), .. States(112)], Read(next, again));
        using HiddenStateLog same = next.Repartition(2, null);
        Assert.Equal([.. States(100), .. States(104), .. States(108), .. States(112)], Read(same, again));
    }

    private static IEnumerable<float> States(int first) => Enumerable.Range(first, Dim).Select(number => (float)number);

    private static void Write(HiddenStateLog log, Step step, int first)
    {
        float[] hidden = [.. Enumerable.Range(first, step.Tokens.Length * Dim).Select(number => (float)number)];
        fixed (float* states = hidden) log.Write(step, states);
    }

    private static float[] Read(HiddenStateLog log, Step step)
    {
        float[] hidden = new float[step.Tokens.Length * Dim];
        fixed (float* states = hidden) log.Read(step, states);
        return hidden;
    }
}
