import type { DeliveryRow } from '#storage/entities/delivery.entity.js';
import type { TaskDetails } from '#storage/task-details.js';
import { taskView } from '../tasks/task-view.js';
import type { WebhookMessage } from './webhook-schema.js';

/**
 * `task` is the task as GET /tasks/view shows it now; null when it was deleted. `status` is what it became: by now it may
 * have moved on.
 */
export function messageOf(delivery: DeliveryRow, found: TaskDetails | null, targets: string): WebhookMessage {
  const { taskId, status, createdOn } = delivery;
  return {
    id: messageId(delivery),
    type: eventName(status),
    timestamp: createdOn.toISOString(),
    data: { task_id: taskId, status, task: found && taskView(found, targets) },
  };
}

export function messageId(delivery: DeliveryRow): string {
  return `msg_${delivery.messageId}`;
}

export function eventName(status: string): string {
  return `task.${status}`;
}
