using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Llama.Grains.Hosting;

/// <summary>
/// A connection that has proved the cluster key, as Orleans takes it. It reads from the stream no faster than Orleans does, so that a
/// peer which sends without end is held up by TCP. What Orleans writes is sent by a loop of its own: Orleans flushes every few messages,
/// and while one write is on its way the next messages gather for the one after.
/// </summary>
internal sealed class ClusterConnection : DefaultConnectionContext
{
    private const int BufferBytes = 16 * 1024;
    private const int MinReadBytes = 2 * 1024;
    private const int MaxUnsentBytes = 1024 * 1024;

    private readonly Stream stream;
    private readonly Socket socket;
    private readonly Task sending;

    /// <summary>Takes over a stream and the socket under it.</summary>
    public ClusterConnection(Stream stream, Socket socket)
    {
        this.stream = stream;
        this.socket = socket;
        LocalEndPoint = socket.LocalEndPoint;
        RemoteEndPoint = socket.RemoteEndPoint;
        var input = PipeReader.Create(
            stream, new StreamPipeReaderOptions(bufferSize: BufferBytes, minimumReadSize: MinReadBytes, leaveOpen: true));
        var output = new Pipe(new PipeOptions(
            pauseWriterThreshold: MaxUnsentBytes, resumeWriterThreshold: MaxUnsentBytes / 2, minimumSegmentSize: BufferBytes,
            useSynchronizationContext: false));
        Transport = new DuplexPipe(input, output.Writer);
        sending = SendAsync(output.Reader);
    }

    /// <inheritdoc/>
    public override void Abort(ConnectionAbortedException abortReason)
    {
        socket.Dispose();
        base.Abort(abortReason);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await Transport.Input.CompleteAsync().ConfigureAwait(false);
        await Transport.Output.CompleteAsync().ConfigureAwait(false);
        await sending.ConfigureAwait(false);
        await stream.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    private async Task SendAsync(PipeReader output)
    {
        try
        {
            for (bool more = true; more;)
            {
                ReadResult written = await output.ReadAsync().ConfigureAwait(false);
                foreach (ReadOnlyMemory<byte> segment in written.Buffer) await stream.WriteAsync(segment).ConfigureAwait(false);
                output.AdvanceTo(written.Buffer.End);
                more = !written.IsCompleted;
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // The other end is gone, or this one was closed: Orleans sees the end of the pipe.
        }

        await output.CompleteAsync().ConfigureAwait(false);
    }

    private sealed record DuplexPipe(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
