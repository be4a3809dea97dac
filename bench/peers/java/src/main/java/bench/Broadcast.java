package bench;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.util.concurrent.ImmediateEventExecutor;

/** Sends what anybody says to everybody. There is one of it, for all connections. */
@Sharable
final class Broadcast extends Session {
    /** Unsent bytes with which a connection that does not read is given up. */
    private static final long MAX_UNSENT = 64 << 20;

    private final ChannelGroup members = new DefaultChannelGroup(ImmediateEventExecutor.INSTANCE);

    @Override
    public void channelActive(ChannelHandlerContext context) {
        members.add(context.channel());
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        members.writeAndFlush(message, Broadcast::keepsUp, true);
    }

    private static boolean keepsUp(Channel channel) {
        boolean keepsUp = channel.bytesBeforeWritable() < MAX_UNSENT;
        if (!keepsUp) {
            channel.close();
        }
        return keepsUp;
    }
}
