using Llama.Model;
using Llama.Model.Layers;
using Llama.Torch.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Llama.Torch.Forward;

/// <summary>
/// What a pass is told, in memory that is made once: written on the host, sent to the device in two copies, and seen there through views, which are
/// made anew only when their shapes change. On a processor both are the same memory.
/// </summary>
internal sealed unsafe class PassBuffers : IDisposable
{
    private readonly Place place;
    private readonly int dim;
    private readonly int pairs;
    private readonly long positionBytes;
    private readonly Tensor hostFloats;
    private readonly Tensor deviceFloats;
    private readonly Tensor fetched;
    private readonly float* floats;
    private Tensor hostNumbers;
    private Tensor deviceNumbers;
    private long* numbers;
    private int blocks;
    private Tensor[] views = [];
    private (int Tokens, int Blocks, int Sampling) viewed;

    /// <summary>Makes buffers for a model.</summary>
    public PassBuffers(ModelConfig config, Place place)
    {
        this.place = place;
        dim = config.Dim;
        pairs = config.HeadDim / 2;
        positionBytes = 2L * config.KvDim * sizeof(float);
        hostFloats = place.AllocateHost(ScalarType.Float32, (long)place.Rows * ((2 * pairs) + dim));
        deviceFloats = OnDevice(hostFloats);
        floats = (float*)TorchNative.Pointer(hostFloats);
        fetched = place.IsHost ? hostFloats : place.AllocateHost(ScalarType.Float32, (long)place.Rows * Math.Max(dim, config.VocabSize));
        hostNumbers = place.AllocateHost(ScalarType.Int64, 1);
        deviceNumbers = OnDevice(hostNumbers);
        Reserve(1);
        Hidden = deviceFloats.narrow(0, 0, (long)place.Rows * dim).view(place.Rows, dim);
    }

    /// <summary>Tokens of the pass.</summary>
    public int Count { get; private set; }

    /// <summary>How many of its rows sample.</summary>
    public int Sampling { get; private set; }

    /// <summary>Hidden states on the device, <c>[rows, dim]</c>.</summary>
    public Tensor Hidden { get; }

    /// <summary>The tokens of all rows, <c>[rows]</c>: 0 beyond those of the pass.</summary>
    public Tensor Tokens => views[0];

    /// <summary>The rows that sample, <c>[sampling]</c>.</summary>
    public Tensor Sampled => views[5];

    /// <summary>Where the tokens are.</summary>
    public StepRows Rows => new(views[1], views[2], views[3], views[4], TokensTogether);

    private int TokensTogether => (int)Math.Clamp(place.GatherBytes / (blocks * Step.BlockTokens * positionBytes), 1, place.Rows);

    /// <summary>Begins a pass.</summary>
    /// <param name="tokens">Its tokens, at most as many as rows.</param>
    /// <param name="mostBlocks">Blocks of the longest of their sequences.</param>
    public void Begin(int tokens, int mostBlocks)
    {
        (Count, blocks, Sampling) = (tokens, mostBlocks, 0);
        Reserve(mostBlocks);
        new Span<long>(numbers, place.Rows).Clear();
    }

    /// <summary>Says what a row is.</summary>
    /// <param name="row">Which row.</param>
    /// <param name="token">Its token.</param>
    /// <param name="position">The token's position.</param>
    /// <param name="table">Block table of its sequence.</param>
    public void Place(int row, int token, int position, ReadOnlySpan<int> table)
    {
        numbers[row] = token;
        numbers[place.Rows + row] = position;
        long* own = numbers + (3L * place.Rows) + ((long)row * blocks);

        // Blocks beyond the token's own are masked; its first one is there in any case, and is nobody else's.
        int seen = (position / Step.BlockTokens) + 1;
        for (int block = 0; block < blocks; block++) own[block] = table[block < seen ? block : 0];
    }

    /// <summary>Says that a token is sampled after a row.</summary>
    public void AddSampled(int row) => numbers[(2 * place.Rows) + Sampling++] = row;

    /// <summary>Where the cosines of a row's angles go, <c>[headDim / 2]</c>.</summary>
    public float* Cosines(int row) => floats + ((long)place.Rows * dim) + ((long)row * pairs);

    /// <summary>Where the sines of a row's angles go, <c>[headDim / 2]</c>.</summary>
    public float* Sines(int row) => floats + ((long)place.Rows * (dim + pairs)) + ((long)row * pairs);

    /// <summary>Sets the hidden states of the first rows.</summary>
    /// <param name="source"><c>[count, dim]</c>.</param>
    /// <param name="count">Rows.</param>
    public void SetHidden(float* source, int count)
    {
        long bytes = (long)count * dim * sizeof(float);
        Buffer.MemoryCopy(source, floats, bytes, bytes);
    }

    /// <summary>Brings all of it to the device.</summary>
    public void Send()
    {
        if (!place.IsHost)
        {
            deviceFloats.copy_(hostFloats);
            deviceNumbers.copy_(hostNumbers);
        }

        if (viewed == (Count, blocks, Sampling)) return;
        DisposeViews();
        using DisposeScope scope = NewDisposeScope();
        int rows = place.Rows;
        views =
        [
            deviceNumbers.narrow(0, 0, rows),
            deviceFloats.narrow(0, (long)rows * dim, (long)Count * pairs).view(Count, 1, pairs),
            deviceFloats.narrow(0, (long)rows * (dim + pairs), (long)Count * pairs).view(Count, 1, pairs),
            deviceNumbers.narrow(0, rows, Count),
            deviceNumbers.narrow(0, 3L * rows, (long)Count * blocks).view(Count, blocks),
            deviceNumbers.narrow(0, 2L * rows, Sampling),
        ];
        foreach (Tensor view in views) view.MoveToOuterDisposeScope();
        viewed = (Count, blocks, Sampling);
    }

    /// <summary>Brings a result to the host.</summary>
    /// <param name="result">A tensor on the device, single precision, as it lies in memory.</param>
    /// <param name="target">Receives the first of its elements.</param>
    /// <param name="count">How many.</param>
    public void Fetch(Tensor result, float* target, long count)
    {
        if (place.IsHost)
        {
            Buffer.MemoryCopy(TorchNative.Pointer(result), target, count * sizeof(float), count * sizeof(float));
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        fetched.narrow(0, 0, count).copy_(result.view(-1).narrow(0, 0, count));
        Buffer.MemoryCopy(TorchNative.Pointer(fetched), target, count * sizeof(float), count * sizeof(float));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        DisposeViews();
        Hidden.Dispose();
        foreach (Tensor tensor in (ReadOnlySpan<Tensor>)[hostFloats, deviceFloats, fetched, hostNumbers, deviceNumbers]) tensor.Dispose();
    }

    /// <summary>Makes room for block tables of some length.</summary>
    private void Reserve(int mostBlocks)
    {
        long needed = place.Rows * (3L + mostBlocks);
        if (hostNumbers.NumberOfElements < needed)
        {
            DisposeViews();
            hostNumbers.Dispose();
            deviceNumbers.Dispose();
            hostNumbers = place.AllocateHost(ScalarType.Int64, needed * 2);
            deviceNumbers = OnDevice(hostNumbers);
        }

        numbers = (long*)TorchNative.Pointer(hostNumbers);
    }

    private Tensor OnDevice(Tensor host) => place.IsHost ? host : host.to(place.Device);

    private void DisposeViews()
    {
        foreach (Tensor view in views) view.Dispose();
        (views, viewed) = ([], default);
    }
}
