using System.Collections.Concurrent;
using Llama.Grains.Gateway;
using Llama.Grains.Silos;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Silos;

namespace Llama.Grains.Tests.Gateway;

public sealed class DrainMarksTests
{
    private readonly MarkedSilos silos = new();
    private readonly DrainMarks marks;

    public DrainMarksTests() => marks = new DrainMarks(silos);

    [Fact]
    public async Task Update_SiloThatIsDrained_KnowsItOnceAndIsSettledBeforeTheViewSaysSo()
    {
        Member[] members = [Members.Make("silo-1"), Members.Make("silo-2")];
        Update(members, "silo-1");
        Assert.False(marks.IsSettled(members[0]));
        await marks.Marking.Soon();
        Update(members, "silo-1");
        Assert.True(marks.IsSettled(members[0]));
        Assert.Equal([(members[0].Instance, true)], silos.Marks);

        // The view says so, too, and then no more.
        members[0] = members[0] with { Drained = true };
        Update(members, "silo-1");
        Update(members, "");
        await marks.Marking.Soon();
        Update(members, "");
        Assert.Equal([(members[0].Instance, true), (members[0].Instance, false)], silos.Marks);
        Assert.False(marks.IsSettled(members[0]));
    }

    [Fact]
    public async Task Update_AnotherProcessOfTheName_IsToldAnew()
    {
        Member silo = Members.Make("silo-1");
        Update([silo], "silo-1");
        await marks.Marking.Soon();
        Member another = silo with { Instance = "another" };
        Update([another], "silo-1");
        await marks.Marking.Soon();
        Assert.Equal([(silo.Instance, true), ("another", true)], silos.Marks);

        // Of the first, what it noted was forgotten with it.
        Update([silo], "silo-1");
        await marks.Marking.Soon();
        Assert.Equal(3, silos.Marks.Count);
    }

    [Fact]
    public async Task Update_SiloThatCannotBeTold_IsSettledAndToldAgain()
    {
        Member silo = Members.Make("silo-1");
        silos.Fault = new IOException("It is gone.");
        Update([silo], "silo-1");
        await marks.Marking.Soon();
        Assert.True(marks.IsSettled(silo));
        Assert.Empty(silos.Marks);
        silos.Fault = null;
        Update([silo], "silo-1");
        await marks.Marking.Soon();
        Assert.Equal([(silo.Instance, true)], silos.Marks);
        Update([silo], "silo-1");
        Assert.Single(silos.Marks);
        Assert.True(marks.IsSettled(silo));
    }

    [Fact]
    public async Task Update_SiloThatHangs_HoldsNobodyUpForLong()
    {
        Member silo = Members.Make("silo-1");
        silos.Hanging = new TaskCompletionSource();
        Update([silo], "silo-1");
        Task marking = marks.Marking;
        Assert.False(marks.IsSettled(silo));

        // Meanwhile nothing else is begun.
        Update([silo], "silo-1");
        Assert.Same(marking, marks.Marking);
        await marking.Soon();
        Assert.True(marks.IsSettled(silo));
    }

    [Fact]
    public void IsSettled_SiloThatIsGone_IsSo() => Assert.True(marks.IsSettled(null));

    private void Update(Member[] members, string drained) =>
        marks.Update(new SilosView(1, members, []), silo => silo.Name == drained);

    private sealed class MarkedSilos : ISilos
    {
        public ConcurrentQueue<(string Instance, bool Drained)> Marks { get; } = new();

        public Exception? Fault { get; set; }

        public TaskCompletionSource? Hanging { get; set; }

        public SilosView View => throw new NotSupportedException();

        public Task<SilosView> WaitForChangeAsync(long version, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<StageReport> LoadAsync(Member silo, StageAssignment assignment, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public void Suspect(Member silo) => throw new NotSupportedException();

        public async Task MarkAsync(Member silo, bool drained, CancellationToken cancellationToken)
        {
            if (Hanging is not null) await Hanging.Task;
            if (Fault is not null) throw Fault;
            Marks.Enqueue((silo.Instance, drained));
        }
    }
}
